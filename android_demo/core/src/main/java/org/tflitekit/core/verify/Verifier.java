package org.tflitekit.core.verify;

import java.util.List;
import org.tflitekit.core.bundle.Bundle;
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
        throw new UnsupportedOperationException(bundle.name + engines + decoder);
    }
}
