package org.tflitekit.core.image;

/**
 * The weights with which one axis is resized: which input positions each output position covers, and how much each
 * counts, in fixed point. The same values as Pillow's, so that results are the same.
 */
final class AxisWeights {
    /** Bits after the point: 32 minus 8 of the pixel, minus 2 for filters that overshoot. */
    static final int PRECISION = 22;
    /** One half, where every weighted sum starts in order to be rounded. */
    static final int HALF = 1 << (PRECISION - 1);

    int inputSize;
    int outputSize;
    /** First input position of each output position. */
    int[] first = new int[0];
    /** How many input positions it covers. */
    int[] count = new int[0];
    /** Weights; those of output position {@code i} begin at {@code i * stride}. */
    int[] weights = new int[0];
    int stride;
    private double[] exact = new double[0];

    void set(ResamplingFilter filter, int newInputSize, int newOutputSize) {
        inputSize = newInputSize;
        outputSize = newOutputSize;
        double scale = (double) inputSize / outputSize;
        double filterScale = Math.max(1.0, scale);
        double support = filter.support * filterScale;
        double step = 1.0 / filterScale;
        stride = (int) Math.ceil(support) * 2 + 1;
        allocate();
        for (int out = 0; out < outputSize; out++) {
            double center = (out + 0.5) * scale;
            int begin = Math.max(0, (int) (center - support + 0.5));
            int size = Math.min(inputSize, (int) (center + support + 0.5)) - begin;
            double sum = 0.0;
            for (int i = 0; i < size; i++) {
                exact[i] = filter.weight((i + begin - center + 0.5) * step);
                sum += exact[i];
            }
            for (int i = 0; i < size; i++) {
                weights[out * stride + i] = fixed(sum != 0.0 ? exact[i] / sum : exact[i]);
            }
            first[out] = begin;
            count[out] = size;
        }
    }

    /** Returns how many output positions one input position may belong to at most. */
    int mostOverlapping() {
        int most = 1;
        int begin = 0;
        for (int out = 0; out < outputSize; out++) {
            while (begin < out && first[begin] + count[begin] <= first[out]) {
                begin++;
            }
            most = Math.max(most, out - begin + 1);
        }
        return most;
    }

    /** Turns a weighted sum that began with one half into a pixel's value, 0 to 255. */
    static int pixel(int sum) {
        int value = sum >> PRECISION;
        return value < 0 ? 0 : Math.min(value, 255);
    }

    private static int fixed(double weight) {
        double scaled = weight * (1 << PRECISION);
        return (int) (scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    }

    private void allocate() {
        if (first.length < outputSize) {
            first = new int[outputSize];
            count = new int[outputSize];
        }
        if (weights.length < outputSize * stride) {
            weights = new int[outputSize * stride];
        }
        if (exact.length < stride) {
            exact = new double[stride];
        }
    }
}
