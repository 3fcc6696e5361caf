package org.tflitekit.demo;

import android.content.Intent;
import android.content.pm.PackageManager;
import org.tflitekit.core.benchmark.BenchmarkRequest;
import org.tflitekit.demo.bench.BenchScreen;
import org.tflitekit.demo.bench.BenchWork;
import org.tflitekit.demo.device.Services;
import org.tflitekit.demo.ui.RunActivity;
import org.tflitekit.demo.ui.RunRequest;
import org.tflitekit.demo.ui.RunScreen;
import org.tflitekit.demo.ui.Words;

/**
 * Measures latencies. By intent: {@code am start -S -W -n org.tflitekit.demo/.BenchActivity --es run_id X [--es variants a,b] [--ei
 * threads 2] [--es accelerator cpu] [--es protocol quick] [--ei runs 100] [--el seed 1] [--ef sustained_minutes 5] [--es bundle
 * NAME]} leaves {@code runs/X/report.json} and {@code runs/X/done} in the app's own storage, or {@code runs/X/failed} with the reason.
 */
public final class BenchActivity extends RunActivity<BenchWork> {
    @Override
    protected BenchWork newWork(Services services, String bundleName) {
        return new BenchWork(services, bundleName, version());
    }

    private String version() {
        try {
            return getPackageManager().getPackageInfo(getPackageName(), 0).versionName;
        } catch (PackageManager.NameNotFoundException error) {
            throw new IllegalStateException(error); // an app knows itself
        }
    }

    @Override
    protected RunScreen<?> newScreen() {
        return new BenchScreen(this, work(), services().engines().accelerators());
    }

    @Override
    protected void start(Intent intent, RunRequest request) {
        BenchmarkRequest wanted = new BenchmarkRequest();
        String variants = intent.getStringExtra("variants");
        String accelerator = intent.getStringExtra("accelerator");
        String protocol = intent.getStringExtra("protocol");
        wanted.variants = variants == null ? null : Words.list(variants);
        wanted.accelerator = accelerator == null ? wanted.accelerator : accelerator;
        wanted.protocol = protocol == null ? wanted.protocol : protocol;
        wanted.threads = intent.getIntExtra("threads", wanted.threads);
        wanted.runs = intent.getIntExtra("runs", wanted.runs);
        wanted.seed = intent.getLongExtra("seed", wanted.seed);
        wanted.sustainedMinutes = intent.getFloatExtra("sustained_minutes", (float) wanted.sustainedMinutes);
        work().start(wanted, request);
    }

    @Override
    protected void onStart() {
        super.onStart();
        work().setVisible(true);
    }

    @Override
    protected void onStop() {
        work().setVisible(isChangingConfigurations());
        super.onStop();
    }
}
