package org.tflitekit.demo;

import android.content.Intent;
import java.util.Collections;
import org.tflitekit.demo.device.Services;
import org.tflitekit.demo.ui.RunActivity;
import org.tflitekit.demo.ui.RunRequest;
import org.tflitekit.demo.ui.RunScreen;
import org.tflitekit.demo.ui.Words;
import org.tflitekit.demo.verify.VerifyScreen;
import org.tflitekit.demo.verify.VerifyWork;

/**
 * Replays the golden samples. By intent: {@code am start -S -W -n org.tflitekit.demo/.VerifyActivity --es run_id X [--es accelerators
 * cpu,gpu] [--es bundle NAME]} leaves {@code runs/X/verification.json} and {@code runs/X/done} in the app's own storage.
 */
public final class VerifyActivity extends RunActivity<VerifyWork> {
    @Override
    protected VerifyWork newWork(Services services, String bundleName) {
        return new VerifyWork(services, bundleName);
    }

    @Override
    protected RunScreen<?> newScreen() {
        return new VerifyScreen(this, work(), services().engines().accelerators());
    }

    @Override
    protected void start(Intent intent, RunRequest request) {
        String wanted = intent.getStringExtra("accelerators");
        work().start(wanted == null ? Collections.singletonList("cpu") : Words.list(wanted), request);
    }
}
