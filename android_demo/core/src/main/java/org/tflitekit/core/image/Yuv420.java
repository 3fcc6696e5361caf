package org.tflitekit.core.image;

import java.nio.ByteBuffer;

/** Camera frames (Android's YUV_420_888) as ARGB pixels: BT.601, full range, as JFIF defines it. */
public final class Yuv420 {
    private Yuv420() {}

    /**
     * Converts one frame. Each chroma sample covers 2 x 2 pixels.
     *
     * @param y luma, one byte a pixel
     * @param u blue difference, {@code uvPixelStride} bytes apart
     * @param v red difference, {@code uvPixelStride} bytes apart
     * @param yRowStride bytes from one row of luma to the next
     * @param uvRowStride bytes from one row of chroma to the next
     * @param argb filled with {@code width * height} opaque pixels
     */
    public static void toArgb(ByteBuffer y, ByteBuffer u, ByteBuffer v, int yRowStride, int uvRowStride,
            int uvPixelStride, int width, int height, int[] argb) {
        throw new UnsupportedOperationException();
    }
}
