package org.tflitekit.demo;

import android.content.Intent;
import android.content.pm.PackageManager;
import java.io.IOException;
import org.tflitekit.demo.bench.BenchScreen;
import org.tflitekit.demo.bench.BenchWork;
import org.tflitekit.demo.ui.RunRequest;
import org.tflitekit.demo.ui.ScreenActivity;
import org.tflitekit.demo.ui.Words;

/**
 * Measures latencies. By intent: {@code am start -S -W -n org.tflitekit.demo/.BenchActivity --es run_id X [--es variants a,b] [--ei
 * threads 2] [--es accelerator cpu] [--es protocol quick] [--es bundle NAME]} leaves {@code runs/X/report.json} and {@code
 * runs/X/done} in the app's own storage, or {@code runs/X/failed} with the reason.
 */
public final class BenchActivity extends ScreenActivity<BenchWork> {
    private BenchScreen screen;
    private String refused;

    @Override
    protected int layout() {
        return R.layout.work;
    }

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
    protected void onViews() {
        screen = new BenchScreen(this, work(), ((DemoApplication) getApplication()).services().engines().accelerators());
    }

    @Override
    protected void begin(Intent intent) {
        refused = null;
        try {
            RunRequest request = RunRequest.of(this, intent);
            if (request != null) {
                String variants = intent.getStringExtra("variants");
                String accelerator = intent.getStringExtra("accelerator");
                String protocol = intent.getStringExtra("protocol");
                screen.start(variants == null ? null : Words.list(variants),
                        accelerator == null ? "cpu" : accelerator, intent.getIntExtra("threads", 1),
                        protocol == null ? "quick" : protocol, request);
            }
        } catch (IOException error) {
            refused = error.getMessage();
        }
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

    @Override
    protected void render() {
        showProblem(work().problem() != null ? work().problem() : refused);
        screen.render();
    }
}
