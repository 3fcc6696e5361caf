package org.tflitekit.core.image;

/** An image of any size that is computed row by row; {@code android_demo/vectors.py} has the same formula. */
final class FormulaSource implements PixelSource {
    private final int width;
    private final int height;

    FormulaSource(int width, int height) {
        this.width = width;
        this.height = height;
    }

    @Override
    public int width() {
        return width;
    }

    @Override
    public int height() {
        return height;
    }

    @Override
    public void readRows(int y, int rows, int[] argb) {
        for (int row = y; row < y + rows; row++) {
            for (int x = 0; x < width; x++) {
                int red = 7 * x + 3 * row & 255;
                int green = (x ^ row) & 255;
                int blue = x * row >> 4 & 255;
                argb[(row - y) * width + x] = 0xFF000000 | red << 16 | green << 8 | blue;
            }
        }
    }
}
