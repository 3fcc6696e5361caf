package org.tflitekit.core.image;

/** Turns packed pixels of a source into the values that are resized, and back. */
final class PixelRows {
    private PixelRows() {}

    /**
     * Spreads packed pixels into one value a channel, 0 to 255: grey, or red, green, blue, or those and alpha.
     *
     * @param premultiplies whether four channels hold colours multiplied by alpha
     */
    static void unpack(int[] argb, int from, int count, int channels, boolean premultiplies, int[] values) {
        if (channels == 1) {
            grey(argb, from, count, values);
        } else if (channels == 3) {
            rgb(argb, from, count, values);
        } else {
            rgba(argb, from, count, premultiplies, values);
        }
    }

    /** Luma of ITU-R 601-2 in 16-bit fixed point, as Pillow rounds it. */
    private static void grey(int[] argb, int from, int count, int[] values) {
        for (int i = 0; i < count; i++) {
            int p = argb[from + i];
            values[i] = ((p >> 16 & 255) * 19595 + (p >> 8 & 255) * 38470 + (p & 255) * 7471 + 0x8000) >> 16;
        }
    }

    private static void rgb(int[] argb, int from, int count, int[] values) {
        int at = 0;
        for (int i = from; i < from + count; i++, at += 3) {
            int p = argb[i];
            values[at] = p >> 16 & 255;
            values[at + 1] = p >> 8 & 255;
            values[at + 2] = p & 255;
        }
    }

    private static void rgba(int[] argb, int from, int count, boolean premultiplies, int[] values) {
        int at = 0;
        for (int i = from; i < from + count; i++, at += 4) {
            int p = argb[i];
            int alpha = p >>> 24;
            int factor = premultiplies ? alpha : 255;
            values[at] = scaled(p >> 16 & 255, factor);
            values[at + 1] = scaled(p >> 8 & 255, factor);
            values[at + 2] = scaled(p & 255, factor);
            values[at + 3] = alpha;
        }
    }

    /** Divides the colours of {@code count} pixels by their alpha, as far as that can be undone. */
    static void unmultiply(int[] rgba, int count) {
        for (int i = 0; i < 4 * count; i += 4) {
            int alpha = rgba[i + 3];
            if (alpha != 0 && alpha != 255) {
                rgba[i] = Math.min(255, 255 * rgba[i] / alpha);
                rgba[i + 1] = Math.min(255, 255 * rgba[i + 1] / alpha);
                rgba[i + 2] = Math.min(255, 255 * rgba[i + 2] / alpha);
            }
        }
    }

    /** Returns {@code color * alpha / 255}, rounded. */
    private static int scaled(int color, int alpha) {
        int product = color * alpha + 128;
        return ((product >> 8) + product) >> 8;
    }
}
