package org.tflitekit.core.image;

import java.io.IOException;

/**
 * An image turned clockwise by 0, 90, 180 or 270 degrees and then, if wanted, mirrored left to right. The object can
 * be given another image.
 *
 * <p>A quarter turn needs the source's columns. It keeps as many as fit into 16 MB, so that a larger image is read
 * several times and never held as a whole.
 */
public final class RotatedSource implements PixelSource {
    private static final int BAND_PIXELS = 1 << 22;
    /** Rows of a block, so that both images stay in the processor's cache. */
    private static final int BLOCK = 32;

    private PixelSource source;
    private int degrees;
    private boolean mirror;
    /** Columns {@link #bandLeft} to {@link #bandRight} of the source, row by row. */
    private int[] band;
    private int bandLeft;
    private int bandRight;
    private int[] own = new int[0];
    private int[] piece = new int[0];

    /** An image without pixels until {@link #set} is called. */
    public RotatedSource() {}

    public RotatedSource(PixelSource source, int degrees, boolean mirror) {
        set(source, degrees, mirror);
    }

    /**
     * Turns another image, or the same one after its pixels have changed.
     *
     * @param degrees clockwise, a multiple of 90; negative ones turn the other way
     * @param mirror whether the turned image is mirrored left to right
     */
    public void set(PixelSource source, int degrees, boolean mirror) {
        if (degrees % 90 != 0) {
            throw new IllegalArgumentException("Images are turned by quarters, not by " + degrees + " degrees.");
        }
        this.source = source;
        this.degrees = Math.floorMod(degrees, 360);
        this.mirror = mirror;
        bandLeft = 0;
        bandRight = 0;
        if (source instanceof ArgbImage) {
            band = ((ArgbImage) source).argb();
            bandRight = source.width();
        }
    }

    private boolean isQuarter() {
        return degrees == 90 || degrees == 270;
    }

    @Override
    public int width() {
        return isQuarter() ? source.height() : source.width();
    }

    @Override
    public int height() {
        return isQuarter() ? source.width() : source.height();
    }

    @Override
    public void readRows(int y, int rows, int[] argb) throws IOException {
        if (isQuarter()) {
            readColumns(y, rows, argb);
            return;
        }
        int width = source.width();
        boolean flipsRows = degrees == 180;
        source.readRows(flipsRows ? source.height() - y - rows : y, rows, argb);
        if (flipsRows) {
            for (int top = 0, bottom = rows - 1; top < bottom; top++, bottom--) {
                for (int x = 0; x < width; x++) {
                    swap(argb, top * width + x, bottom * width + x);
                }
            }
        }
        if (flipsRows != mirror) {
            for (int row = 0; row < rows; row++) {
                for (int left = row * width, right = left + width - 1; left < right; left++, right--) {
                    swap(argb, left, right);
                }
            }
        }
    }

    private void readColumns(int y, int rows, int[] argb) throws IOException {
        int height = source.height();
        int firstColumn = degrees == 90 ? y : source.width() - 1 - y;
        int columnStep = degrees == 90 ? 1 : -1;
        int lastColumn = firstColumn + (rows - 1) * columnStep;
        if (Math.min(firstColumn, lastColumn) < bandLeft || Math.max(firstColumn, lastColumn) >= bandRight) {
            load(firstColumn, rows);
        }
        int stride = bandRight - bandLeft;
        // Clockwise, row y is the source's column y from the bottom up.
        boolean fromBottom = (degrees == 90) != mirror;
        int start = fromBottom ? (height - 1) * stride : 0;
        int step = fromBottom ? -stride : stride;
        for (int block = 0; block < height; block += BLOCK) {
            int end = Math.min(height, block + BLOCK);
            for (int row = 0; row < rows; row++) {
                int from = start + firstColumn + row * columnStep - bandLeft + block * step;
                int to = row * height;
                for (int i = block; i < end; i++, from += step) {
                    argb[to + i] = band[from];
                }
            }
        }
    }

    /** Reads a band of the source from a column on: to the right, or to the left where it is turned the other way. */
    private void load(int column, int columns) throws IOException {
        int width = source.width();
        int height = source.height();
        int size = Math.min(width, Math.max(columns, BAND_PIXELS / height));
        int left = degrees == 90 ? Math.min(column, width - size) : Math.max(0, column + 1 - size);
        if (own.length < size * height) {
            own = new int[size * height];
        }
        int rows = Math.max(1, Math.min(height, (1 << 16) / width));
        if (piece.length < rows * width) {
            piece = new int[rows * width];
        }
        bandRight = bandLeft; // nothing, should reading fail
        for (int y = 0; y < height; y += rows) {
            int count = Math.min(rows, height - y);
            source.readRows(y, count, piece);
            for (int row = 0; row < count; row++) {
                System.arraycopy(piece, row * width + left, own, (y + row) * size, size);
            }
        }
        band = own;
        bandLeft = left;
        bandRight = left + size;
    }

    private static void swap(int[] values, int a, int b) {
        int kept = values[a];
        values[a] = values[b];
        values[b] = kept;
    }
}
