package org.tflitekit.core.image;

import java.io.IOException;

/**
 * Resizes with a filter: every row first horizontally, then its share in the rows of the target that it belongs to.
 * Each step rounds to 8 bits, as Pillow's two passes do. Memory: a piece of the source, and sums for those rows of
 * the target that are not finished.
 */
final class WeightedScaler implements Scaler {
    private final ResamplingFilter filter;
    private final int channels;
    private final RowReader reader = new RowReader();
    private final AxisWeights horizontal = new AxisWeights();
    private final AxisWeights vertical = new AxisWeights();
    private Placement placement;
    private boolean resizesWidth;
    private boolean resizesHeight;
    /** One resized row of the source, one value a channel. */
    private int[] row = new int[0];
    /** Sums of rows of the target, each at its number modulo their count. */
    private int[][] sums = new int[0][];
    private int openRows;

    WeightedScaler(ResamplingFilter filter, int channels) {
        this.filter = filter;
        this.channels = channels;
    }

    @Override
    public void prepare(Placement newPlacement) {
        placement = newPlacement;
        resizesWidth = placement.width != placement.resizedWidth;
        resizesHeight = placement.height != placement.resizedHeight;
        if (resizesWidth) {
            horizontal.set(filter, placement.width, placement.resizedWidth);
        }
        int length = placement.resizedWidth * channels;
        if (row.length < length) {
            row = new int[length];
        }
        if (resizesHeight) {
            vertical.set(filter, placement.height, placement.resizedHeight);
            openRows = mostOpenRows();
            if (sums.length < openRows || sums[0].length < length) {
                sums = new int[Math.max(sums.length, openRows)][length];
            }
        }
    }

    /** Returns how many rows of the target one row of the source may belong to. */
    private int mostOpenRows() {
        int most = 1;
        int finished = 0;
        for (int out = 0; out < vertical.outputSize; out++) {
            while (vertical.first[finished] + vertical.count[finished] <= vertical.first[out]) {
                finished++;
            }
            most = Math.max(most, out - finished + 1);
        }
        return most;
    }

    @Override
    public void scale(PixelSource source, TargetPixels target) throws IOException {
        int lastOut = placement.resizedHeight - 1;
        int from = resizesHeight ? vertical.first[0] : 0;
        int to = resizesHeight ? vertical.first[lastOut] + vertical.count[lastOut] : placement.height;
        boolean premultiplies = channels == 4 && (resizesWidth || resizesHeight);
        reader.open(source, placement.top + to);
        int out = 0;
        for (int y = from; y < to; y++) {
            int sourceRow = placement.top + y;
            if (!reader.holds(sourceRow)) {
                reader.read(sourceRow);
            }
            int offset = reader.offset(sourceRow) + placement.left;
            convert(offset, offset + placement.width, premultiplies);
            if (resizesWidth) {
                resizeRow(offset);
            } else {
                PixelRows.unpack(reader.argb, offset, placement.width, channels, row);
            }
            if (resizesHeight) {
                out = addRow(y, out, target, premultiplies);
            } else {
                target.write(placement.targetLeft, placement.targetTop + y, row, placement.resizedWidth,
                        premultiplies);
            }
        }
        reader.close();
    }

    private void convert(int from, int to, boolean premultiplies) {
        if (channels == 1) {
            PixelRows.toGrey(reader.argb, from, to);
        } else if (premultiplies) {
            PixelRows.premultiply(reader.argb, from, to);
        }
    }

    private void resizeRow(int offset) {
        if (channels == 1) {
            resizeGrey(offset);
        } else if (channels == 3) {
            resizeRgb(offset);
        } else {
            resizeRgba(offset);
        }
    }

    private void resizeGrey(int offset) {
        int[] source = reader.argb;
        int[] weights = horizontal.weights;
        int[] target = row;
        for (int out = 0; out < horizontal.outputSize; out++) {
            int at = offset + horizontal.first[out];
            int k = out * horizontal.stride;
            int end = k + horizontal.count[out];
            int sum = AxisWeights.HALF;
            for (; k < end; k++, at++) {
                sum += source[at] * weights[k];
            }
            target[out] = AxisWeights.pixel(sum);
        }
    }

    private void resizeRgb(int offset) {
        int[] source = reader.argb;
        int[] weights = horizontal.weights;
        int[] target = row;
        int to = 0;
        for (int out = 0; out < horizontal.outputSize; out++, to += 3) {
            int at = offset + horizontal.first[out];
            int k = out * horizontal.stride;
            int end = k + horizontal.count[out];
            int red = AxisWeights.HALF;
            int green = AxisWeights.HALF;
            int blue = AxisWeights.HALF;
            for (; k < end; k++, at++) {
                int p = source[at];
                int weight = weights[k];
                red += (p >> 16 & 255) * weight;
                green += (p >> 8 & 255) * weight;
                blue += (p & 255) * weight;
            }
            target[to] = AxisWeights.pixel(red);
            target[to + 1] = AxisWeights.pixel(green);
            target[to + 2] = AxisWeights.pixel(blue);
        }
    }

    private void resizeRgba(int offset) {
        int[] source = reader.argb;
        int[] weights = horizontal.weights;
        int[] target = row;
        int to = 0;
        for (int out = 0; out < horizontal.outputSize; out++, to += 4) {
            int at = offset + horizontal.first[out];
            int k = out * horizontal.stride;
            int end = k + horizontal.count[out];
            int red = AxisWeights.HALF;
            int green = AxisWeights.HALF;
            int blue = AxisWeights.HALF;
            int alpha = AxisWeights.HALF;
            for (; k < end; k++, at++) {
                int p = source[at];
                int weight = weights[k];
                red += (p >> 16 & 255) * weight;
                green += (p >> 8 & 255) * weight;
                blue += (p & 255) * weight;
                alpha += (p >>> 24) * weight;
            }
            target[to] = AxisWeights.pixel(red);
            target[to + 1] = AxisWeights.pixel(green);
            target[to + 2] = AxisWeights.pixel(blue);
            target[to + 3] = AxisWeights.pixel(alpha);
        }
    }

    /** Adds the resized row to all rows of the target that it belongs to; writes those that are finished by it. */
    private int addRow(int y, int firstOpen, TargetPixels target, boolean premultiplied) {
        int length = placement.resizedWidth * channels;
        int finished = firstOpen;
        for (int out = firstOpen; out < vertical.outputSize && vertical.first[out] <= y; out++) {
            int[] sum = sums[out % openRows];
            int k = y - vertical.first[out];
            add(row, vertical.weights[out * vertical.stride + k], sum, length, k == 0);
            if (k == vertical.count[out] - 1) {
                round(sum, length);
                target.write(placement.targetLeft, placement.targetTop + out, sum, placement.resizedWidth,
                        premultiplied);
                finished = out + 1;
            }
        }
        return finished;
    }

    private static void add(int[] row, int weight, int[] sum, int length, boolean first) {
        if (first) {
            for (int i = 0; i < length; i++) {
                sum[i] = AxisWeights.HALF + row[i] * weight;
            }
        } else {
            for (int i = 0; i < length; i++) {
                sum[i] += row[i] * weight;
            }
        }
    }

    private static void round(int[] sum, int length) {
        for (int i = 0; i < length; i++) {
            sum[i] = AxisWeights.pixel(sum[i]);
        }
    }
}
