package org.tflitekit.demo.ui;

import android.app.Activity;
import org.tflitekit.demo.R;

/**
 * The views of a run: its options, its progress, its result.
 *
 * @param <T> the result of a run
 */
public abstract class RunScreen<T> {
    protected final Activity activity;
    protected final WorkViews views;
    private final RunWork work;
    private T shown;

    /** @param fileName of the result that is shared, ending in {@code .json} */
    protected RunScreen(Activity activity, final RunWork work, int title, int intro, int startText, String fileName) {
        this.activity = activity;
        this.work = work;
        views = new WorkViews(activity, title, intro, startText, fileName, new WorkViews.Actions() {
            @Override
            public void start() {
                startChosen();
            }

            @Override
            public void cancel() {
                work.cancel();
            }

            @Override
            public String json() {
                return RunScreen.this.json();
            }
        });
        views.options().removeAllViews();
    }

    /** Starts what is chosen on the screen. */
    protected abstract void startChosen();

    /** Returns the last result; null where there is none. */
    protected abstract T result();

    /** Returns the last result as it is shared; null where there is none. */
    protected abstract String json();

    protected abstract void setOptionsEnabled(boolean enabled);

    protected abstract void showProgress();

    protected abstract void showResult(T result);

    public void render() {
        boolean running = work.isRunning();
        T result = running ? null : result();
        views.show(work.bundle() != null, running, result != null);
        setOptionsEnabled(!running);
        if (running) {
            showProgress();
        } else {
            views.note(work.written() == null ? null : activity.getString(R.string.written, work.written()));
        }
        if (result != null && result != shown) {
            showResult(result);
            views.scrollToResults();
        }
        shown = result;
    }
}
