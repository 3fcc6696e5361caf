package org.tflitekit.core.image;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.Preprocessing;
import org.tflitekit.core.bundle.TensorSpec;

/**
 * From an image to a model's input, bit for bit as the host does it. Not thread-safe; buffers are reused, so a source
 * of the same size as the one before allocates nothing.
 */
public final class Preprocessor {
    /**
     * Prepares for one input.
     *
     * @param input with the batch dimension: {@code [1, H, W, C]}, {@code [1, C, H, W]} or {@code [1, H, H]}
     * @throws BundleException the shape is no image's, or means or deviations do not fit the channels
     */
    public Preprocessor(Preprocessing preprocessing, TensorSpec input) throws BundleException {}

    /**
     * Crops and resizes.
     *
     * @return uint8 in the input's layout, before normalization; the array belongs to this object and is overwritten
     *     by the next call
     */
    public byte[] pixels(PixelSource source) throws IOException {
        throw new UnsupportedOperationException();
    }

    /**
     * Normalizes in float32 and stores in the tensor's type, quantized where it is.
     *
     * @param pixels as {@link #pixels} returns them
     * @param input native order; filled from its start, its position is 0 afterwards
     */
    public void fill(byte[] pixels, ByteBuffer input) {
        throw new UnsupportedOperationException();
    }
}
