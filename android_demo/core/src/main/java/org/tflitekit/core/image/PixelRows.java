package org.tflitekit.core.image;

/** Turns packed pixels of a source into the values that are resized. */
final class PixelRows {
    private PixelRows() {}

    /** Replaces colours by their luma (ITU-R 601-2 in 16-bit fixed point, as Pillow rounds it), 0 to 255. */
    static void toGrey(int[] argb, int from, int to) {
        for (int i = from; i < to; i++) {
            int p = argb[i];
            argb[i] = ((p >> 16 & 255) * 19595 + (p >> 8 & 255) * 38470 + (p & 255) * 7471 + 0x8000) >> 16;
        }
    }

    /** Multiplies colours by alpha, rounded. */
    static void premultiply(int[] argb, int from, int to) {
        for (int i = from; i < to; i++) {
            int p = argb[i];
            int alpha = p >>> 24;
            if (alpha != 255) {
                argb[i] = alpha << 24 | scaled(p >> 16 & 255, alpha) << 16 | scaled(p >> 8 & 255, alpha) << 8
                        | scaled(p & 255, alpha);
            }
        }
    }

    /** Returns the colour before it was multiplied by alpha, as far as that can be known. */
    static int unscaled(int color, int alpha) {
        return alpha == 0 || alpha == 255 ? color : Math.min(255, 255 * color / alpha);
    }

    private static int scaled(int color, int alpha) {
        int product = color * alpha + 128;
        return ((product >> 8) + product) >> 8;
    }

    /** Spreads packed pixels into one value a channel: grey, or red, green, blue, or those and alpha. */
    static void unpack(int[] argb, int from, int count, int channels, int[] values) {
        if (channels == 1) {
            System.arraycopy(argb, from, values, 0, count);
            return;
        }
        int at = 0;
        for (int i = from; i < from + count; i++) {
            int p = argb[i];
            values[at] = p >> 16 & 255;
            values[at + 1] = p >> 8 & 255;
            values[at + 2] = p & 255;
            if (channels == 4) {
                values[at + 3] = p >>> 24;
            }
            at += channels;
        }
    }
}
