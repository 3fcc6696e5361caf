package org.tflitekit.core.image;

import java.io.IOException;

/**
 * An image turned clockwise by 0, 90, 180 or 270 degrees and then, if wanted, mirrored left to right. The object can
 * be given another image. A quarter turn needs the source's columns, so it holds the whole source in memory.
 */
public final class RotatedSource implements PixelSource {
    private PixelSource source;
    private int degrees;
    private boolean mirror;
    private int[] pixels = new int[0];
    private boolean loaded;

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
        loaded = false;
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
        int width = source.width();
        int height = source.height();
        if (!loaded) {
            if (pixels.length < width * height) {
                pixels = new int[width * height];
            }
            source.readRows(0, height, pixels);
            loaded = true;
        }
        // Clockwise, row y is the source's column y from the bottom up.
        boolean fromBottom = (degrees == 90) != mirror;
        int step = fromBottom ? -width : width;
        for (int row = 0; row < rows; row++) {
            int column = degrees == 90 ? y + row : width - 1 - y - row;
            int from = fromBottom ? (height - 1) * width + column : column;
            int to = row * height;
            for (int i = 0; i < height; i++, from += step) {
                argb[to + i] = pixels[from];
            }
        }
    }

    private static void swap(int[] values, int a, int b) {
        int kept = values[a];
        values[a] = values[b];
        values[b] = kept;
    }
}
