package org.tflitekit.core.image;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.fail;

import java.nio.ByteBuffer;
import java.util.Random;
import org.junit.Test;
import org.tflitekit.core.AllocatedBytes;

/** Camera frames in all layouts that Camera2 may give, against JFIF's formula in floating point. */
public class Yuv420Test {
    private final Yuv420 yuv = new Yuv420();

    @Test
    public void everyColour() {
        ByteBuffer luma = ByteBuffer.allocateDirect(1);
        ByteBuffer blue = ByteBuffer.allocateDirect(1);
        ByteBuffer red = ByteBuffer.allocateDirect(1);
        int[] argb = new int[1];
        for (int y = 0; y < 256; y += 3) {
            for (int u = 0; u < 256; u++) {
                for (int v = 0; v < 256; v++) {
                    luma.put(0, (byte) y);
                    blue.put(0, (byte) u);
                    red.put(0, (byte) v);
                    yuv.toArgb(luma, blue, red, 1, 1, 1, 1, 1, argb);
                    check(argb[0] >> 16 & 255, y + 1.402 * (v - 128));
                    check(argb[0] >> 8 & 255,
                            y - 0.114 * 1.772 / 0.587 * (u - 128) - 0.299 * 1.402 / 0.587 * (v - 128));
                    check(argb[0] & 255, y + 1.772 * (u - 128));
                    assertEquals(0xFF, argb[0] >>> 24);
                }
            }
        }
    }

    private static void check(int actual, double exact) {
        double clipped = Math.max(0, Math.min(255, exact));
        if (Math.abs(actual - clipped) > 0.505) { // seventeen million times: the message is only made where it is needed
            fail(actual + " is not " + exact);
        }
    }

    @Test
    public void planarAndInterleavedWithPadding() {
        int[][] layouts = {{1, 0, 0}, {2, 0, 0}, {1, 5, 3}, {2, 7, 9}};
        for (int[] layout : layouts) {
            for (int[] size : new int[][] {{6, 4}, {7, 5}, {1, 1}, {2, 1}}) {
                frame(size[0], size[1], layout[0], layout[1], layout[2]);
            }
        }
    }

    /** Builds a frame whose buffers end with the last sample, as Android's do, and looks at every pixel. */
    private void frame(int width, int height, int pixelStride, int yPadding, int uvPadding) {
        Random random = new Random(width * 31 + height);
        int columns = (width + 1) / 2;
        int rows = (height + 1) / 2;
        int yStride = width + yPadding;
        int uvStride = columns * pixelStride + uvPadding;
        byte[] y = new byte[(height - 1) * yStride + width];
        byte[] u = new byte[(rows - 1) * uvStride + (columns - 1) * pixelStride + 1];
        byte[] v = new byte[u.length];
        random.nextBytes(y);
        random.nextBytes(u);
        random.nextBytes(v);
        int[] argb = new int[width * height];
        yuv.toArgb(direct(y), direct(u), direct(v), yStride, uvStride, pixelStride, width, height, argb);
        int[] one = new int[1];
        for (int row = 0; row < height; row++) {
            for (int column = 0; column < width; column++) {
                int chroma = row / 2 * uvStride + column / 2 * pixelStride;
                yuv.toArgb(direct(y[row * yStride + column]), direct(u[chroma]), direct(v[chroma]), 1, 1, 1, 1, 1,
                        one);
                assertEquals(one[0], argb[row * width + column]);
            }
        }
    }

    private static ByteBuffer direct(byte... bytes) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(bytes.length);
        buffer.put(bytes);
        return buffer; // its position is at the end: it must not matter
    }

    @Test
    public void nothingIsAllocated() {
        ByteBuffer plane = ByteBuffer.allocateDirect(640 * 480);
        int[] argb = new int[640 * 480];
        yuv.toArgb(plane, plane, plane, 640, 320, 1, 640, 480, argb);
        AllocatedBytes.now();
        long before = AllocatedBytes.now();
        yuv.toArgb(plane, plane, plane, 640, 320, 1, 640, 480, argb);
        assertEquals(0, AllocatedBytes.now() - before);
    }
}
