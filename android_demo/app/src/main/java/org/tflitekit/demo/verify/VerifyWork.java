package org.tflitekit.demo.verify;

import java.io.IOException;
import java.util.List;
import org.json.JSONException;
import org.tflitekit.core.verify.ImageCheck;
import org.tflitekit.core.verify.RunCheck;
import org.tflitekit.core.verify.Verification;
import org.tflitekit.core.verify.VerificationListener;
import org.tflitekit.core.verify.Verifier;
import org.tflitekit.demo.device.Services;
import org.tflitekit.demo.ui.RunRequest;
import org.tflitekit.demo.ui.RunWork;

/** Replays the golden samples on some accelerators. */
public final class VerifyWork extends RunWork {
    private volatile String last;
    private volatile Verification verification;

    public VerifyWork(Services services, String bundleName) {
        super(services, bundleName);
    }

    /**
     * Starts, once the bundle is there.
     *
     * @param forFiles where the result goes besides the screen; may be null
     */
    public void start(final List<String> accelerators, final RunRequest forFiles) {
        start(forFiles, new Runnable() {
            @Override
            public void run() {
                if (accelerators.isEmpty()) {
                    fail("No accelerator was named. Give them as in: accelerators cpu,gpu");
                } else {
                    verify(accelerators);
                }
            }
        });
    }

    private void verify(List<String> accelerators) {
        verification = null;
        last = bundle().name;
        begin(bundle().variants.size() * accelerators.size() + (bundle().takesImages() ? bundle().golden.size() : 0));
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
                            return goesOn();
                        }
                    });
            if (!done.cancelled) {
                verification = done;
                finish("verification.json", done.toJson().toString(2));
            } else {
                fail("The verification was stopped before its end. Nothing was kept.");
            }
        } catch (JSONException error) {
            throw new IllegalStateException(error); // there are no numbers that JSON does not have
        } catch (IOException error) {
            fail("The result cannot be written: " + error.getMessage());
        }
    }

    private void step(String name) {
        last = name;
        setProgress(finished() + 1, planned(), name);
    }

    String last() {
        return last;
    }

    Verification verification() {
        return verification;
    }
}
