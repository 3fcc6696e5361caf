package org.tflitekit.demo.ui;

import android.content.Intent;
import java.io.IOException;
import org.tflitekit.demo.R;

/** A screen on which a run is started, by a person or by an intent: verify and benchmark. */
public abstract class RunActivity<W extends RunWork> extends ScreenActivity<W> {
    private RunScreen<?> screen;
    private String refused;

    /** Returns the screen for the work that is there. */
    protected abstract RunScreen<?> newScreen();

    /** Starts the run that an intent asks for. */
    protected abstract void start(Intent intent, RunRequest request);

    @Override
    protected final int layout() {
        return R.layout.work;
    }

    @Override
    protected final void onViews() {
        screen = newScreen();
    }

    @Override
    protected final void begin(Intent intent) {
        refused = null;
        try {
            RunRequest request = RunRequest.of(this, intent);
            if (request != null) {
                start(intent, request);
            }
        } catch (IOException error) {
            refused = error.getMessage();
        }
    }

    @Override
    protected final void render() {
        showProblem(work().problem() != null ? work().problem() : refused);
        screen.render();
    }
}
