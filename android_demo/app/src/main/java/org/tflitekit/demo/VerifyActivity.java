package org.tflitekit.demo;

import android.content.Intent;
import java.io.IOException;
import java.util.Collections;
import org.tflitekit.demo.ui.RunRequest;
import org.tflitekit.demo.ui.ScreenActivity;
import org.tflitekit.demo.ui.Words;
import org.tflitekit.demo.verify.VerifyScreen;
import org.tflitekit.demo.verify.VerifyWork;

/**
 * Replays the golden samples. By intent: {@code am start -S -W -n org.tflitekit.demo/.VerifyActivity --es run_id X [--es accelerators
 * cpu,gpu] [--es bundle NAME]} leaves {@code runs/X/verification.json} and {@code runs/X/done} in the app's own storage.
 */
public final class VerifyActivity extends ScreenActivity<VerifyWork> {
    private VerifyScreen screen;
    private String refused;

    @Override
    protected int layout() {
        return R.layout.work;
    }

    @Override
    protected VerifyWork newWork(Services services, String bundleName) {
        return new VerifyWork(services, bundleName);
    }

    @Override
    protected void onViews() {
        screen = new VerifyScreen(this, work(), ((DemoApplication) getApplication()).services().engines().accelerators());
    }

    @Override
    protected void begin(Intent intent) {
        refused = null;
        try {
            RunRequest request = RunRequest.of(this, intent);
            if (request != null) {
                String wanted = intent.getStringExtra("accelerators");
                screen.start(wanted == null ? Collections.singletonList("cpu") : Words.list(wanted), request);
            }
        } catch (IOException error) {
            refused = error.getMessage();
        }
    }

    @Override
    protected void render() {
        showProblem(work().problem() != null ? work().problem() : refused);
        screen.render();
    }
}
