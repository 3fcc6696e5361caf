package org.tflitekit.demo.verify;

import java.io.IOException;
import java.util.List;
import org.json.JSONException;
import org.tflitekit.core.verify.ImageCheck;
import org.tflitekit.core.verify.RunCheck;
import org.tflitekit.core.verify.Verification;
import org.tflitekit.core.verify.VerificationListener;
import org.tflitekit.core.verify.Verifier;
import org.tflitekit.demo.Services;
import org.tflitekit.demo.ui.RunRequest;
import org.tflitekit.demo.ui.Work;

/** Replays the golden samples on some accelerators. */
public final class VerifyWork extends Work {
    private volatile boolean running;
    private volatile boolean cancelled;
    private volatile String last;
    private volatile int finished;
    private volatile int planned;
    private volatile Verification verification;
    private volatile String written;
    private volatile RunRequest request;

    public VerifyWork(Services services, String bundleName) {
        super(services, bundleName);
    }

    /**
     * Starts, once the bundle is there.
     *
     * @param forFiles where the result goes besides the screen; may be null
     */
    void start(final List<String> accelerators, final RunRequest forFiles) {
        run(new Runnable() {
            @Override
            public void run() {
                request = forFiles;
                if (bundle() == null) {
                    report(problem());
                } else if (accelerators.isEmpty()) {
                    fail("No accelerator was named. Give them as in: accelerators cpu,gpu");
                } else {
                    verify(accelerators);
                }
            }
        });
    }

    private void verify(List<String> accelerators) {
        running = true;
        cancelled = false;
        verification = null;
        written = null;
        finished = 0;
        planned = bundle().variants.size() * accelerators.size() + (bundle().takesImages() ? bundle().golden.size() : 0);
        last = bundle().name;
        solved();
        changed();
        try {
            Verification done = new Verifier(bundle(), services.engines(), services.decoder()).verify(accelerators, 1,
                    new VerificationListener() {
                        @Override
                        public void image(ImageCheck check) {
                            step(check.sample);
                        }

                        @Override
                        public void run(RunCheck check) {
                            step(check.variant);
                        }

                        @Override
                        public boolean proceed() {
                            return !cancelled && !isClosed();
                        }
                    });
            if (!done.cancelled) {
                verification = done;
                if (request != null) {
                    written = request.finish("verification.json", done.toJson().toString(2));
                    request = null;
                }
            } else {
                report("It was stopped before its end.");
            }
        } catch (JSONException error) {
            throw new IllegalStateException(error); // there are no numbers that JSON does not have
        } catch (IOException error) {
            fail("The result cannot be written: " + error.getMessage());
        } finally {
            running = false;
        }
    }

    private void step(String name) {
        finished++;
        last = name;
        changed();
    }

    @Override
    protected void onFailure(String words) {
        report(words);
    }

    /** Says in the files of the run why there is no result. */
    private void report(String words) {
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
    void refuse(String words) {
        fail(words);
    }

    void cancel() {
        cancelled = true;
    }

    boolean isRunning() {
        return running;
    }

    String last() {
        return last;
    }

    int finished() {
        return finished;
    }

    int planned() {
        return planned;
    }

    Verification verification() {
        return verification;
    }

    String written() {
        return written;
    }
}
