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
    private final Placement placement;
    private final Scaler scaler;
    private final TargetPixels target;
    private final StoredValues stored;

    /**
     * Prepares for one input.
     *
     * @param input with the batch dimension: {@code [1, H, W, C]}, {@code [1, C, H, W]} or {@code [1, H, H]}
     * @throws BundleException the shape is no image's, or means or deviations do not fit the channels
     */
    public Preprocessor(Preprocessing preprocessing, TensorSpec input) throws BundleException {
        ImageLayout layout = ImageLayout.of(input);
        placement = new Placement(preprocessing, layout);
        scaler = scaler(preprocessing, layout.channels);
        target = new TargetPixels(preprocessing, layout);
        stored = new StoredValues(preprocessing, input, layout);
    }

    private static Scaler scaler(Preprocessing preprocessing, int channels) throws BundleException {
        switch (preprocessing.resize) {
            case "nearest":
                return new NearestScaler(channels);
            case "box":
                return new WeightedScaler(ResamplingFilter.BOX, channels);
            case "bilinear":
                return new WeightedScaler(ResamplingFilter.BILINEAR, channels);
            case "bicubic":
                return new WeightedScaler(ResamplingFilter.BICUBIC, channels);
            case "lanczos":
                return new WeightedScaler(ResamplingFilter.LANCZOS, channels);
            default:
                throw new BundleException("The bundle asks for the filter '" + preprocessing.resize
                        + "', which this app does not have. Update the app.");
        }
    }

    /**
     * Crops and resizes.
     *
     * @return uint8 in the input's layout, before normalization; the array belongs to this object and is overwritten
     *     by the next call
     */
    public byte[] pixels(PixelSource source) throws IOException {
        int width = source.width();
        int height = source.height();
        if (width < 1 || height < 1) {
            throw new IOException("The image has no pixels (" + width + " x " + height + ").");
        }
        if (!placement.isFor(width, height)) {
            placement.set(width, height);
            scaler.prepare(placement);
            if (!placement.coversTarget()) {
                target.clear();
            }
        }
        scaler.scale(source, target);
        return target.bytes;
    }

    /** Returns where the source of the last call of {@link #pixels} lies in the input. */
    public Frame frame() {
        double scaleX = (double) placement.resizedWidth / placement.width;
        double scaleY = (double) placement.resizedHeight / placement.height;
        return new Frame(placement.sourceWidth, placement.sourceHeight, placement.inputWidth(),
                placement.inputHeight(), scaleX, scaleY, placement.targetLeft - placement.left * scaleX,
                placement.targetTop - placement.top * scaleY);
    }

    /**
     * Normalizes in float32 and stores in the tensor's type, quantized where it is.
     *
     * @param pixels as {@link #pixels} returns them
     * @param input native order; filled from its start, its position is 0 afterwards
     */
    public void fill(byte[] pixels, ByteBuffer input) {
        stored.fill(pixels, input);
    }
}
