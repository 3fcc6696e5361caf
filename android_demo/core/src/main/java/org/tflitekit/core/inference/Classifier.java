package org.tflitekit.core.inference;

import java.io.Closeable;
import java.io.IOException;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.core.image.PixelSource;

/** Classifies images with one variant. Not thread-safe; allocates nothing per image once it is warm. */
public final class Classifier implements Closeable {
    private final Engine engine;

    /**
     * Keeps as many classes as the bundle's golden results.
     *
     * @param engine with the variant loaded; closed with the classifier
     * @throws BundleException the model does not take one image
     */
    public Classifier(Bundle bundle, Variant variant, Engine engine) throws BundleException {
        this(bundle, variant, engine, Math.max(1, bundle.goldenTopK));
    }

    /** @param places how many classes are kept at most */
    public Classifier(Bundle bundle, Variant variant, Engine engine, int places) throws BundleException {
        this.engine = engine;
    }

    /**
     * Classifies an image.
     *
     * @return the best classes; the object is reused by the next call
     * @throws IOException the image cannot be read
     * @throws EngineException the runtime fails
     */
    public Classification classify(PixelSource source) throws IOException, EngineException {
        throw new EngineException("not yet");
    }

    /** Returns what runs the model. */
    public Engine engine() {
        return engine;
    }

    @Override
    public void close() {
        engine.close();
    }
}
