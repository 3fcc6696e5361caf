package org.tflitekit.core.image;

import java.util.Arrays;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.TensorSpec;

/** A model's input read as an image: its size, channels, and whether the channels come first. */
final class ImageLayout {
    final int width;
    final int height;
    /** 1 (grey), 3 (colour) or 4 (colour and alpha). */
    final int channels;
    final boolean channelsFirst;

    private ImageLayout(int height, int width, int channels, boolean channelsFirst) {
        this.height = height;
        this.width = width;
        this.channels = channels;
        this.channelsFirst = channelsFirst;
    }

    /** @throws BundleException the shape is no image's */
    static ImageLayout of(TensorSpec input) throws BundleException {
        int[] shape = input.shape();
        boolean single = shape.length > 0 && (shape[0] == 1 || shape[0] == -1);
        if (single && shape.length == 3 && shape[1] == shape[2] && shape[1] > 1) {
            return new ImageLayout(shape[1], shape[2], 1, false);
        }
        if (single && shape.length == 4 && Math.min(shape[1], Math.min(shape[2], shape[3])) >= 1) {
            if (isChannels(shape[3])) {
                return new ImageLayout(shape[1], shape[2], shape[3], false);
            }
            if (isChannels(shape[1])) {
                return new ImageLayout(shape[2], shape[3], shape[1], true);
            }
        }
        throw new BundleException("The model's input '" + input.name + "' has the shape " + Arrays.toString(shape)
                + ", which is not that of one image with 1, 3 or 4 channels. This app can only verify and benchmark"
                + " the model, not classify images with it.");
    }

    private static boolean isChannels(int size) {
        return size == 1 || size == 3 || size == 4;
    }

    int elements() {
        return width * height * channels;
    }

    /** Returns how far elements of the same channel are apart, from one column to the next. */
    int pixelStride() {
        return channelsFirst ? 1 : channels;
    }

    /** Returns the position of a channel's first element. */
    int channelOffset(int channel) {
        return channelsFirst ? channel * width * height : channel;
    }
}
