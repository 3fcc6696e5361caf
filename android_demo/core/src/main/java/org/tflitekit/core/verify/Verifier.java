package org.tflitekit.core.verify;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.GoldenSample;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.core.inference.EngineFactory;

/** Replays golden samples: does this device compute what the host computed? */
public final class Verifier {
    private final Bundle bundle;
    private final EngineFactory engines;
    private final ImageDecoder decoder;

    public Verifier(Bundle bundle, EngineFactory engines, ImageDecoder decoder) {
        this.bundle = bundle;
        this.engines = engines;
        this.decoder = decoder;
    }

    /**
     * Checks all images, then all variants on some accelerators. What cannot be run is a check with an error, not an
     * exception.
     *
     * @param accelerators of {@link EngineFactory#accelerators}
     * @param listener may be null
     */
    public Verification verify(List<String> accelerators, int threads, VerificationListener listener) {
        List<ImageCheck> images = new ArrayList<>();
        List<RunCheck> runs = new ArrayList<>();
        boolean complete = (!bundle.takesImages() || checkImages(images, listener))
                && checkRuns(accelerators, threads, runs, listener);
        return new Verification(bundle.name, engines.runtimeVersion(), Collections.unmodifiableList(images),
                Collections.unmodifiableList(runs), !complete);
    }

    private boolean checkImages(List<ImageCheck> images, VerificationListener listener) {
        ImageVerifier verifier = new ImageVerifier(bundle, decoder);
        for (GoldenSample sample : bundle.golden) {
            if (listener != null && !listener.proceed()) {
                return false;
            }
            ImageCheck check = verifier.check(sample);
            images.add(check);
            if (listener != null) {
                listener.image(check);
            }
        }
        return true;
    }

    private boolean checkRuns(List<String> accelerators, int threads, List<RunCheck> runs,
            VerificationListener listener) {
        for (Variant variant : bundle.variants) {
            RunVerifier verifier = new RunVerifier(bundle, engines, decoder, variant);
            for (String accelerator : accelerators) {
                if (listener != null && !listener.proceed()) {
                    return false;
                }
                RunCheck check = verifier.check(accelerator, threads);
                runs.add(check);
                if (listener != null) {
                    listener.run(check);
                }
            }
        }
        return true;
    }
}
