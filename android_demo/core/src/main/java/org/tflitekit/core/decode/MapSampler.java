package org.tflitekit.core.decode;

import org.tflitekit.core.image.Frame;

/** Reads a map over the input at the middle of each pixel of the picture, in the types of the host. */
final class MapSampler {
    private final Axis rows;
    private final Axis columns;
    private final int width;

    /** @param width of the map, in cells; it spans the whole input */
    MapSampler(Frame frame, int width, int height) {
        this.width = width;
        rows = new Axis(frame.sourceHeight, frame.scaleY, frame.offsetY, (double) height / frame.inputHeight, height);
        columns = new Axis(frame.sourceWidth, frame.scaleX, frame.offsetX, (double) width / frame.inputWidth, width);
    }

    /** Returns a map of numbers in the size of the picture: first down, then across. */
    float[] bilinear(float[] plane) {
        float[] sampled = new float[rows.first.length * columns.first.length];
        float[] down = new float[width];
        for (int y = 0; y < rows.first.length; y++) {
            int above = rows.first[y] * width;
            int below = rows.second[y] * width;
            for (int x = 0; x < width; x++) {
                down[x] = plane[above + x] + (plane[below + x] - plane[above + x]) * rows.share[y];
            }
            for (int x = 0; x < columns.first.length; x++) {
                float left = down[columns.first[x]];
                sampled[y * columns.first.length + x] = left + (down[columns.second[x]] - left) * columns.share[x];
            }
        }
        return sampled;
    }

    /** Returns a map of classes in the size of the picture, each pixel as the nearest cell; of two, the one before. */
    float[] nearest(float[] plane) {
        float[] sampled = new float[rows.first.length * columns.first.length];
        for (int y = 0; y < rows.first.length; y++) {
            for (int x = 0; x < columns.first.length; x++) {
                sampled[y * columns.first.length + x] = plane[rows.nearest(y) * width + columns.nearest(x)];
            }
        }
        return sampled;
    }

    /** For each pixel of the picture along one axis: the cells on both sides of its middle, and how near the second one is. */
    private static final class Axis {
        final int[] first;
        final int[] second;
        final float[] share;

        Axis(int pixels, double scale, double offset, double cellsPerPixel, int cells) {
            first = new int[pixels];
            second = new int[pixels];
            share = new float[pixels];
            for (int i = 0; i < pixels; i++) {
                double middle = ((i + 0.5) * scale + offset) * cellsPerPixel - 0.5;
                middle = Math.min(Math.max(middle, 0), cells - 1);
                first[i] = (int) Math.floor(middle);
                second[i] = Math.min(first[i] + 1, cells - 1);
                share[i] = (float) (middle - first[i]);
            }
        }

        int nearest(int pixel) {
            return share[pixel] <= 0.5f ? first[pixel] : second[pixel];
        }
    }
}
