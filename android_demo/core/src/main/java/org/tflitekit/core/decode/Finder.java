package org.tflitekit.core.decode;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.core.image.Frame;
import org.tflitekit.core.image.PixelSource;
import org.tflitekit.core.inference.Engine;
import org.tflitekit.core.inference.EngineException;
import org.tflitekit.core.inference.PictureModel;
import org.tflitekit.core.inference.PictureRun;

/** Finds objects, classes of pixels, or poses in pictures with one variant. Not thread-safe. */
public final class Finder implements PictureModel {
    /** Longer side of a mask: one number for each pixel of a photo would not fit into the memory of a phone. */
    static final int MASK_SIDE = 512;

    private final Engine engine;
    private final PictureRun run;
    private final Decoder decoder;
    private final boolean masks;
    private final ByteBuffer[] outputs;

    /**
     * Prepares for one variant.
     *
     * @param engine with the variant loaded; closed with the finder
     * @throws BundleException the model does not take one image, or this app cannot decode its outputs
     */
    public Finder(Bundle bundle, Variant variant, Engine engine) throws BundleException {
        run = new PictureRun(bundle, variant, engine);
        decoder = new Decoder(bundle, variant);
        this.engine = engine;
        masks = "segmentation".equals(bundle.task);
        outputs = new ByteBuffer[variant.outputs.size()];
    }

    @Override
    public Found answer(PixelSource picture) throws IOException, EngineException {
        run.run(picture);
        for (int i = 0; i < outputs.length; i++) {
            outputs[i] = run.output(i);
        }
        Frame frame = masks ? run.frame().within(MASK_SIDE) : run.frame();
        Found found = new Found(frame.sourceWidth, frame.sourceHeight, decoder.decode(outputs, frame));
        found.warn(decoder.foundNotANumber());
        run.time(found);
        return found;
    }

    @Override
    public void close() {
        engine.close();
    }
}
