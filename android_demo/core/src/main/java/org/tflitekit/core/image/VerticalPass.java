package org.tflitekit.core.image;

/**
 * Resizes the height while rows come in: each is added, weighted, to all rows of the result that it belongs to. Only
 * the sums of unfinished rows are kept.
 */
final class VerticalPass {
    private final AxisWeights weights = new AxisWeights();
    /** Sums of unfinished rows, each at its number modulo {@link #openRows}. */
    private int[][] sums = new int[0][0];
    private int openRows;
    private int length;
    private int finished;

    /** @param newLength values in a row */
    void prepare(ResamplingFilter filter, int inputRows, int outputRows, int newLength) {
        weights.set(filter, inputRows, outputRows);
        length = newLength;
        openRows = weights.mostOverlapping();
        if (sums.length < openRows || sums[0].length < length) {
            sums = new int[openRows][length];
        }
    }

    /** Returns the first row that counts. */
    int firstRow() {
        return weights.first[0];
    }

    /** Returns the row after the last one that counts. */
    int endRow() {
        int last = weights.outputSize - 1;
        return weights.first[last] + weights.count[last];
    }

    /** Starts on another image. */
    void begin() {
        finished = 0;
    }

    /** Adds a row; rows must come in order. Hands on all rows of the result that are finished by it. */
    void add(int y, int[] row, RowSink sink) {
        for (int out = finished; out < weights.outputSize && weights.first[out] <= y; out++) {
            int[] sum = sums[out % openRows];
            int k = y - weights.first[out];
            int weight = weights.weights[out * weights.stride + k];
            if (k == 0) {
                start(row, weight, sum, length);
            } else {
                add(row, weight, sum, length);
            }
            if (k == weights.count[out] - 1) {
                round(sum, length);
                finished = out + 1;
                sink.row(out, sum);
            }
        }
    }

    private static void start(int[] row, int weight, int[] sum, int length) {
        for (int i = 0; i < length; i++) {
            sum[i] = row[i] * weight + AxisWeights.HALF;
        }
    }

    private static void add(int[] row, int weight, int[] sum, int length) {
        for (int i = 0; i < length; i++) {
            sum[i] += row[i] * weight;
        }
    }

    private static void round(int[] sum, int length) {
        for (int i = 0; i < length; i++) {
            sum[i] = AxisWeights.pixel(sum[i]);
        }
    }
}
