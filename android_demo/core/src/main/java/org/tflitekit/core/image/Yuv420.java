package org.tflitekit.core.image;

import java.nio.ByteBuffer;

/**
 * Camera frames (Android's YUV_420_888) as ARGB pixels: BT.601, full range, as JFIF defines it. Not thread-safe; rows
 * are copied into reused arrays, because single bytes of a direct buffer are slow to get.
 */
public final class Yuv420 {
    // 1.402, 0.344136, 0.714136 and 1.772 with 16 bits after the point.
    private static final int RED_V = 91881;
    private static final int GREEN_U = 22554;
    private static final int GREEN_V = 46802;
    private static final int BLUE_U = 116130;
    private static final int HALF = 1 << 15;

    private byte[] luma = new byte[0];
    private byte[] blueDifferences = new byte[0];
    private byte[] redDifferences = new byte[0];

    /**
     * Converts one frame. Each chroma sample covers 2 x 2 pixels; the last one of an odd side covers what is left.
     * Buffers are read from their start; their positions do not change.
     *
     * @param y luma, one byte a pixel
     * @param u blue difference, {@code uvPixelStride} bytes apart
     * @param v red difference, {@code uvPixelStride} bytes apart
     * @param yRowStride bytes from one row of luma to the next
     * @param uvRowStride bytes from one row of chroma to the next
     * @param argb filled with {@code width * height} opaque pixels
     */
    public void toArgb(ByteBuffer y, ByteBuffer u, ByteBuffer v, int yRowStride, int uvRowStride, int uvPixelStride,
            int width, int height, int[] argb) {
        int chromaBytes = (width - 1) / 2 * uvPixelStride + 1;
        if (luma.length < width) {
            luma = new byte[width];
        }
        if (blueDifferences.length < chromaBytes) {
            blueDifferences = new byte[chromaBytes];
            redDifferences = new byte[chromaBytes];
        }
        for (int row = 0; row < height; row++) {
            copy(y, row * yRowStride, luma, width);
            if ((row & 1) == 0) {
                copy(u, (row >> 1) * uvRowStride, blueDifferences, chromaBytes);
                copy(v, (row >> 1) * uvRowStride, redDifferences, chromaBytes);
            }
            convert(uvPixelStride, width, argb, row * width);
        }
    }

    private static void copy(ByteBuffer from, int start, byte[] to, int count) {
        int position = from.position();
        int limit = from.limit();
        from.clear();
        from.position(start);
        from.get(to, 0, count);
        from.limit(limit);
        from.position(position);
    }

    private void convert(int pixelStride, int width, int[] argb, int to) {
        int chroma = 0;
        for (int column = 0; column < width; column += 2, chroma += pixelStride) {
            int blueDifference = (blueDifferences[chroma] & 255) - 128;
            int redDifference = (redDifferences[chroma] & 255) - 128;
            int red = RED_V * redDifference + HALF;
            int green = HALF - GREEN_U * blueDifference - GREEN_V * redDifference;
            int blue = BLUE_U * blueDifference + HALF;
            argb[to + column] = pixel((luma[column] & 255) << 16, red, green, blue);
            if (column + 1 < width) {
                argb[to + column + 1] = pixel((luma[column + 1] & 255) << 16, red, green, blue);
            }
        }
    }

    private static int pixel(int luma, int red, int green, int blue) {
        return 0xFF000000 | clip(luma + red >> 16) << 16 | clip(luma + green >> 16) << 8 | clip(luma + blue >> 16);
    }

    private static int clip(int value) {
        return value < 0 ? 0 : Math.min(value, 255);
    }
}
