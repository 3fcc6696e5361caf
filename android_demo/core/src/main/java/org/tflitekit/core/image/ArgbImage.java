package org.tflitekit.core.image;

/** An image in memory. The object can be given new pixels. */
public final class ArgbImage implements PixelSource {
    private int width;
    private int height;
    private int[] argb;

    /** An image without pixels until {@link #set} is called. */
    public ArgbImage() {}

    public ArgbImage(int width, int height, int[] argb) {
        set(width, height, argb);
    }

    /**
     * Shows other pixels.
     *
     * @param argb row by row, 0xAARRGGBB, not multiplied by alpha, at least {@code width * height}; not copied
     */
    public void set(int width, int height, int[] argb) {
        if (width < 1 || height < 1 || argb.length < (long) width * height) {
            throw new IllegalArgumentException(
                    argb.length + " pixels are no image of " + width + " x " + height + ".");
        }
        this.width = width;
        this.height = height;
        this.argb = argb;
    }

    /** Returns the pixels themselves, row by row. */
    int[] argb() {
        return argb;
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
    public void readRows(int y, int rows, int[] target) {
        System.arraycopy(argb, y * width, target, 0, rows * width);
    }
}
