package org.tflitekit.core.inference;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.core.image.Frame;
import org.tflitekit.core.image.PixelSource;
import org.tflitekit.core.image.Preprocessor;

/** Puts pictures into one variant and takes the time. Not thread-safe; allocates nothing per picture once it is warm. */
public final class PictureRun {
    private final Engine engine;
    private final Preprocessor preprocessor;
    private long begun;
    private long prepared;
    private long inferred;

    /**
     * Prepares for one variant.
     *
     * @param engine with the variant loaded; stays the caller's
     * @throws BundleException the model does not take one image
     */
    public PictureRun(Bundle bundle, Variant variant, Engine engine) throws BundleException {
        if (!bundle.takesImages() || variant.inputs.size() != 1) {
            throw new BundleException("The model '" + bundle.name + "' takes " + variant.inputs.size()
                    + (bundle.takesImages() ? " inputs" : " tensors that are no images")
                    + ". This app can verify and benchmark it, not run it on pictures.");
        }
        this.engine = engine;
        preprocessor = new Preprocessor(bundle.preprocessing, variant.inputs.get(0));
    }

    /** Runs the model on a picture. */
    public void run(PixelSource picture) throws IOException, EngineException {
        begun = System.nanoTime();
        preprocessor.fill(preprocessor.pixels(picture), engine.input(0));
        prepared = System.nanoTime();
        engine.invoke();
        inferred = System.nanoTime();
    }

    /** Notes how long each step took, in an answer that is ready now. */
    public void time(Answer answer) {
        answer.preprocessNanos = prepared - begun;
        answer.inferenceNanos = inferred - prepared;
        answer.postprocessNanos = System.nanoTime() - inferred;
    }

    /** Returns where the last picture lies in the input. */
    public Frame frame() {
        return preprocessor.frame();
    }

    /** Returns the stored values of an output of the last run. */
    public ByteBuffer output(int index) {
        return engine.output(index);
    }
}
