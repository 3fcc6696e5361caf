package org.tflitekit.demo.ui;

import android.os.Handler;
import android.os.Looper;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.demo.device.Services;

/**
 * What a screen does off the main thread, and what it shows. It outlives the screen when the device is turned. Fields that are
 * shown are volatile and set by one background thread.
 */
public abstract class Work {
    protected final Services services;
    private final String bundleName;
    private final ExecutorService executor = Executors.newSingleThreadExecutor();
    private final Handler main = new Handler(Looper.getMainLooper());
    private final AtomicBoolean rendering = new AtomicBoolean();
    private final Runnable render = new Runnable() {
        @Override
        public void run() {
            rendering.set(false);
            if (screen != null) {
                screen.render();
            }
        }
    };
    private ScreenActivity<?> screen;
    private volatile Bundle bundle;
    private volatile String problem;
    private volatile boolean closed;

    /** @param bundleName null for the app's own bundle */
    protected Work(Services services, String bundleName) {
        this.services = services;
        this.bundleName = bundleName;
    }

    /** Reads the bundle, then lets the screen begin. */
    final void load() {
        run(new Runnable() {
            @Override
            public void run() {
                try {
                    bundle = Bundle.read(services.bundleFiles(bundleName));
                    onBundle(bundle);
                } catch (BundleException error) {
                    fail(error.getMessage());
                }
            }
        });
    }

    /** The bundle is there; on the background thread. */
    protected void onBundle(Bundle loaded) throws BundleException {}

    /** The bundle cannot be used, or something else went wrong. */
    protected void onFailure(String words) {}

    final void attach(ScreenActivity<?> shown) {
        screen = shown;
    }

    final void detach() {
        screen = null;
    }

    /** Runs something on the background thread, one thing after the other; nothing when the screen has gone. */
    protected final void run(final Runnable task) {
        try {
            executor.execute(new Runnable() {
                @Override
                public void run() {
                    try {
                        task.run();
                    } catch (RuntimeException error) {
                        fail("Something unexpected happened (" + error + ").");
                    } catch (OutOfMemoryError error) {
                        fail("This device has too little memory for that.");
                    }
                    changed();
                }
            });
        } catch (RejectedExecutionException error) {
            changed(); // the screen has gone
        }
    }

    /** Shows the state again, soon. Allocates nothing. */
    protected final void changed() {
        if (rendering.compareAndSet(false, true)) {
            main.post(render);
        }
    }

    protected final void fail(String words) {
        problem = words;
        onFailure(words);
        changed();
    }

    protected final void solved() {
        problem = null;
    }

    /** Returns the bundle; null before it is read. */
    public final Bundle bundle() {
        return bundle;
    }

    /** Returns what is wrong, for people; null where nothing is. */
    public final String problem() {
        return problem;
    }

    protected final boolean isClosed() {
        return closed;
    }

    /** The screen has gone for good. */
    final void close() {
        closed = true;
        run(new Runnable() {
            @Override
            public void run() {
                onClose();
            }
        });
        executor.shutdown();
    }

    /** Frees what is held; on the background thread. */
    protected void onClose() {}
}
