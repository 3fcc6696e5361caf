package org.tflitekit.core.decode;

import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.JsonNode;

/** Boxes as offsets from anchors: of the center in sizes of the anchor, and of the logarithm of the size, each times its variance. */
final class Anchors {
    /** Center, width and height as shares of the input's size, four numbers a row. */
    private final float[] anchors;
    private final boolean verticalFirst;
    private final float place;
    private final float size;

    Anchors(JsonNode reader) throws BundleException {
        double[][] rows = reader.rows("anchors", 4);
        anchors = new float[4 * rows.length];
        for (int i = 0; i < anchors.length; i++) {
            anchors[i] = (float) rows[i / 4][i % 4];
        }
        double[] variances = reader.numbers("variances");
        if (variances.length != 2) {
            throw reader.wrong("variances", "two numbers");
        }
        place = (float) variances[0];
        size = (float) variances[1];
        verticalFirst = "yxhw".equals(reader.choice("code", "yxhw", "xywh"));
    }

    /** Writes left, top, right and bottom as shares of the input's size. */
    void edges(Values offsets, int row, float[] edges, int to) {
        for (int axis = 0; axis < 2; axis++) {
            int from = verticalFirst ? 1 - axis : axis;
            float extent = anchors[4 * row + 2 + axis];
            float center = anchors[4 * row + axis] + offsets.at(row, from) * place * extent;
            float half = extent * (float) Math.exp(Math.min(offsets.at(row, 2 + from) * size, 20)) / 2;
            edges[to + axis] = center - half;
            edges[to + 2 + axis] = center + half;
        }
    }
}
