package org.tflitekit.core.image;

import java.io.IOException;

/** An image that is read by rows, so that large ones need not be in memory as a whole. */
public interface PixelSource {
    /** Returns the width in pixels, at least 1. */
    int width();

    /** Returns the height in pixels, at least 1. */
    int height();

    /**
     * Reads rows from the top.
     *
     * @param y the first row
     * @param rows how many
     * @param argb filled from its start, row by row, with {@code width * rows} pixels 0xAARRGGBB whose colours are
     *     not multiplied by alpha
     */
    void readRows(int y, int rows, int[] argb) throws IOException;
}
