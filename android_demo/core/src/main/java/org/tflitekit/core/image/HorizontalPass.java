package org.tflitekit.core.image;

/** Resizes the width of one row after the other. */
final class HorizontalPass {
    private final AxisWeights weights = new AxisWeights();
    private final int channels;

    HorizontalPass(int channels) {
        this.channels = channels;
    }

    void prepare(ResamplingFilter filter, int inputColumns, int outputColumns) {
        weights.set(filter, inputColumns, outputColumns);
    }

    /**
     * Resizes a row.
     *
     * @param row one value a channel, 0 to 255
     * @param result filled with one value a channel, 0 to 255
     */
    void apply(int[] row, int[] result) {
        if (channels == 1) {
            grey(row, result);
        } else if (channels == 3) {
            rgb(row, result);
        } else {
            rgba(row, result);
        }
    }

    private void grey(int[] row, int[] result) {
        int[] factors = weights.weights;
        for (int out = 0; out < weights.outputSize; out++) {
            int at = weights.first[out];
            int k = out * weights.stride;
            int end = k + weights.count[out];
            int sum = AxisWeights.HALF;
            for (; k < end; k++, at++) {
                sum += row[at] * factors[k];
            }
            result[out] = AxisWeights.pixel(sum);
        }
    }

    private void rgb(int[] row, int[] result) {
        int[] factors = weights.weights;
        int to = 0;
        for (int out = 0; out < weights.outputSize; out++, to += 3) {
            int at = weights.first[out] * 3;
            int k = out * weights.stride;
            int end = k + weights.count[out];
            int red = AxisWeights.HALF;
            int green = AxisWeights.HALF;
            int blue = AxisWeights.HALF;
            for (; k < end; k++, at += 3) {
                int factor = factors[k];
                red += row[at] * factor;
                green += row[at + 1] * factor;
                blue += row[at + 2] * factor;
            }
            result[to] = AxisWeights.pixel(red);
            result[to + 1] = AxisWeights.pixel(green);
            result[to + 2] = AxisWeights.pixel(blue);
        }
    }

    private void rgba(int[] row, int[] result) {
        int[] factors = weights.weights;
        int to = 0;
        for (int out = 0; out < weights.outputSize; out++, to += 4) {
            int at = weights.first[out] * 4;
            int k = out * weights.stride;
            int end = k + weights.count[out];
            int red = AxisWeights.HALF;
            int green = AxisWeights.HALF;
            int blue = AxisWeights.HALF;
            int alpha = AxisWeights.HALF;
            for (; k < end; k++, at += 4) {
                int factor = factors[k];
                red += row[at] * factor;
                green += row[at + 1] * factor;
                blue += row[at + 2] * factor;
                alpha += row[at + 3] * factor;
            }
            result[to] = AxisWeights.pixel(red);
            result[to + 1] = AxisWeights.pixel(green);
            result[to + 2] = AxisWeights.pixel(blue);
            result[to + 3] = AxisWeights.pixel(alpha);
        }
    }
}
