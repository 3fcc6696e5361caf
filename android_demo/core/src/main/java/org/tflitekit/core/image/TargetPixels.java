package org.tflitekit.core.image;

import java.util.Arrays;
import org.tflitekit.core.bundle.Preprocessing;

/** The finished pixels in the model's layout and order of channels, written by rows. */
final class TargetPixels {
    final byte[] bytes;
    private final ImageLayout layout;
    /** Position of the first element of red, green, blue and alpha (or grey). */
    private final int[] offsets;

    TargetPixels(Preprocessing preprocessing, ImageLayout layout) {
        this.layout = layout;
        bytes = new byte[layout.elements()];
        offsets = new int[layout.channels];
        boolean reversed = layout.channels == 3 && "bgr".equals(preprocessing.color);
        for (int channel = 0; channel < layout.channels; channel++) {
            offsets[channel] = layout.channelOffset(reversed ? 2 - channel : channel);
        }
    }

    void clear() {
        Arrays.fill(bytes, (byte) 0);
    }

    /**
     * Writes a row.
     *
     * @param values {@code count} pixels, one value a channel, 0 to 255
     * @param premultiplied whether colours were multiplied by alpha
     */
    void write(int x, int y, int[] values, int count, boolean premultiplied) {
        int channels = layout.channels;
        if (premultiplied) {
            PixelRows.unmultiply(values, count);
        }
        int stride = layout.pixelStride();
        int start = (y * layout.width + x) * stride;
        for (int channel = 0; channel < channels; channel++) {
            int to = start + offsets[channel];
            for (int i = channel; i < count * channels; i += channels) {
                bytes[to] = (byte) values[i];
                to += stride;
            }
        }
    }
}
