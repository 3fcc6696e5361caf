package org.tflitekit.core.decode;

import java.util.Arrays;

/** Boxes with a class and a score each, in the model's input, before overlapping ones are sorted out. */
final class Candidates {
    /** Rows of {@link #edges} that the candidates are at. */
    int[] rows = new int[64];
    int[] classes = new int[64];
    float[] scores = new float[64];
    int count;
    /** Left, top, right and bottom, four numbers a row. */
    final float[] edges;

    Candidates(float[] edges) {
        this.edges = edges;
    }

    void add(int row, int label, float score) {
        if (count == rows.length) {
            rows = Arrays.copyOf(rows, 2 * count);
            classes = Arrays.copyOf(classes, 2 * count);
            scores = Arrays.copyOf(scores, 2 * count);
        }
        rows[count] = row;
        classes[count] = label;
        scores[count] = score;
        count++;
    }
}
