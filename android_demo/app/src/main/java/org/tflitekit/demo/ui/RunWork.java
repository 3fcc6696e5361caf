package org.tflitekit.demo.ui;

import java.io.IOException;
import org.tflitekit.demo.device.Services;

/** Work that is started, can be stopped, and may leave its result in files: verify and benchmark. */
public abstract class RunWork extends Work {
    private static final long TOLD_EACH_NANOS = 500000000;

    private volatile boolean running;
    private volatile boolean cancelled;
    private volatile int finished;
    private volatile int planned;
    private volatile String written;
    private volatile RunRequest request;
    /** When the progress was last written, on the background thread. */
    private long told;

    protected RunWork(Services services, String bundleName) {
        super(services, bundleName);
    }

    /**
     * Starts, once the bundle is there.
     *
     * @param forFiles where the result goes besides the screen; may be null
     */
    protected final void start(final RunRequest forFiles, final Runnable task) {
        run(new Runnable() {
            @Override
            public void run() {
                request = forFiles;
                if (bundle() == null) {
                    report(problem());
                    return;
                }
                try {
                    task.run();
                } finally {
                    running = false;
                }
            }
        });
    }

    /** The task begins: what the one before left is no longer shown. */
    protected final void begin(int steps) {
        running = true;
        cancelled = false;
        written = null;
        finished = 0;
        planned = steps;
        solved();
        changed();
    }

    protected final void setProgress(int done, int steps, String what) {
        finished = done;
        planned = steps;
        changed();
        long now = System.nanoTime();
        RunRequest open = request;
        if (open != null && now - told > TOLD_EACH_NANOS) {
            told = now;
            try {
                open.progress(done, steps, what);
            } catch (IOException error) {
                fail("The progress cannot be written: " + error.getMessage());
                cancel();
            }
        }
    }

    /** Returns whether to go on. */
    protected final boolean goesOn() {
        return !cancelled && !isClosed();
    }

    /** Writes the result where the run was started for files. */
    protected final void finish(String name, String json) throws IOException {
        if (request != null) {
            written = request.finish(name, json);
            request = null;
        }
    }

    @Override
    protected final void onFailure(String words) {
        report(words);
    }

    /** Says in the files of the run why there is no result. */
    protected final void report(String words) {
        RunRequest open = request;
        request = null;
        if (open != null) {
            try {
                open.fail(words == null ? "unknown" : words);
            } catch (IOException error) {
                written = null; // nowhere to say it but on the screen, which does
            }
        }
    }

    /** Says what a person has to change before a start. */
    public final void refuse(String words) {
        fail(words);
    }

    public final void cancel() {
        cancelled = true;
    }

    public final boolean isRunning() {
        return running;
    }

    public final int finished() {
        return finished;
    }

    public final int planned() {
        return planned;
    }

    /** Returns where the result was written; null where it was not. */
    public final String written() {
        return written;
    }
}
