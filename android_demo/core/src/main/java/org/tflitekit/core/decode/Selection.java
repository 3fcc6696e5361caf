package org.tflitekit.core.decode;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.JsonNode;
import org.tflitekit.core.image.Frame;

/**
 * Candidates become the boxes of a picture: those with high scores, without those that overlap better ones. In the order and the
 * types of the host, which does it with NumPy and OpenCV ({@code dnn::NMSBoxesBatched}), so that the same boxes are kept.
 */
final class Selection {
    private static final float NORMALIZED = 2;

    final float score;
    private final float iou;
    private final int most;
    private final boolean agnostic;
    private final int candidates;
    private final String coordinates;

    Selection(JsonNode reader) throws BundleException {
        score = (float) reader.number("score");
        iou = (float) reader.number("iou");
        most = reader.integer("most");
        agnostic = reader.flag("agnostic");
        candidates = reader.integer("candidates");
        coordinates = reader.choice("coordinates", "auto", "pixels", "normalized");
    }

    Decoded boxes(final Candidates found, Frame frame) {
        List<Integer> best = new ArrayList<>();
        for (int i = 0; i < found.count; i++) {
            best.add(i);
        }
        Collections.sort(best, new Comparator<Integer>() {
            @Override
            public int compare(Integer one, Integer other) {
                return Float.compare(found.scores[other], found.scores[one]);
            }
        });
        best = best.size() > candidates ? best.subList(0, candidates) : best;
        float[] edges = pixels(best, found, frame);
        List<Integer> order = new ArrayList<>();
        for (int candidate : best) {
            if (usable(edges, 4 * found.rows[candidate])) {
                order.add(candidate);
            }
        }
        List<Integer> kept = iou >= 1 ? order : withoutOverlap(order, found, edges);
        kept = kept.size() > most ? kept.subList(0, most) : kept;
        return decoded(kept, found, edges, frame);
    }

    private float[] pixels(List<Integer> best, Candidates found, Frame frame) {
        boolean normalized = "normalized".equals(coordinates)
                || "auto".equals(coordinates) && mostlyShares(best, found);
        if (!normalized) {
            return found.edges;
        }
        float[] scaled = new float[found.edges.length];
        for (int i = 0; i < scaled.length; i++) {
            scaled[i] = found.edges[i] * (i % 2 == 0 ? frame.inputWidth : frame.inputHeight);
        }
        return scaled;
    }

    /** Returns whether at most half of the candidates' right and lower edges lie beyond 2: in pixels all do but odd ones. */
    private static boolean mostlyShares(List<Integer> best, Candidates found) {
        int finite = 0;
        int beyond = 0;
        for (int candidate : best) {
            for (int i = 4 * found.rows[candidate] + 2; i < 4 * found.rows[candidate] + 4; i++) {
                float edge = found.edges[i];
                finite += Float.isNaN(edge) || Float.isInfinite(edge) ? 0 : 1;
                beyond += edge > NORMALIZED && !Float.isInfinite(edge) ? 1 : 0;
            }
        }
        return 2 * beyond <= finite;
    }

    private static boolean usable(float[] edges, int at) {
        for (int i = at; i < at + 4; i++) {
            if (Float.isNaN(edges[i]) || Float.isInfinite(edges[i])) {
                return false;
            }
        }
        return edges[at + 2] > edges[at] && edges[at + 3] > edges[at + 1];
    }

    /** Returns those that overlap none before them too much, in their order. */
    private List<Integer> withoutOverlap(List<Integer> order, Candidates found, float[] edges) {
        double[][] boxes = apart(order, found, edges);
        List<Integer> kept = new ArrayList<>();
        List<double[]> keptBoxes = new ArrayList<>();
        for (int i = 0; i < boxes.length && kept.size() < most; i++) {
            boolean keep = found.scores[order.get(i)] > 0;
            for (int k = 0; keep && k < keptBoxes.size(); k++) {
                keep = overlap(boxes[i], keptBoxes.get(k)) <= iou;
            }
            if (keep) {
                kept.add(order.get(i));
                keptBoxes.add(boxes[i]);
            }
        }
        return kept;
    }

    /** Returns left, top, width and height, those of each class moved beyond all of the class before. */
    private double[][] apart(List<Integer> order, Candidates found, float[] edges) {
        float left = Float.POSITIVE_INFINITY;
        float top = Float.POSITIVE_INFINITY;
        for (int i : order) {
            left = Math.min(left, edges[4 * found.rows[i]]);
            top = Math.min(top, edges[4 * found.rows[i] + 1]);
        }
        double[][] boxes = new double[order.size()][];
        double largest = 0;
        for (int i = 0; i < boxes.length; i++) {
            int at = 4 * found.rows[order.get(i)];
            boxes[i] = new double[] {edges[at] - left, edges[at + 1] - top, edges[at + 2] - edges[at],
                edges[at + 3] - edges[at + 1]};
            largest = Math.max(largest, Math.max(boxes[i][0] + boxes[i][2], boxes[i][1] + boxes[i][3]));
        }
        for (int i = 0; i < boxes.length; i++) {
            double move = (agnostic ? 0 : found.classes[order.get(i)]) * (largest + 1);
            boxes[i][0] += move;
            boxes[i][1] += move;
        }
        return boxes;
    }

    /** Returns the intersection over the union, by way of the distance as OpenCV has it. */
    private static float overlap(double[] one, double[] other) {
        double areas = one[2] * one[3] + other[2] * other[3];
        if (areas <= Math.ulp(1.0)) {
            return 1;
        }
        double width = Math.min(one[0] + one[2], other[0] + other[2]) - Math.max(one[0], other[0]);
        double height = Math.min(one[1] + one[3], other[1] + other[3]) - Math.max(one[1], other[1]);
        double both = width <= 0 || height <= 0 ? 0 : width * height;
        return 1f - (float) (1 - both / (areas - both));
    }

    private static Decoded decoded(List<Integer> kept, Candidates found, float[] edges, Frame frame) {
        float[][] boxes = new float[kept.size()][];
        int[] classes = new int[boxes.length];
        float[] scores = new float[boxes.length];
        for (int i = 0; i < boxes.length; i++) {
            int candidate = kept.get(i);
            int at = 4 * found.rows[candidate];
            boxes[i] = new float[] {inside(frame.sourceX(edges[at]), frame.sourceWidth),
                inside(frame.sourceY(edges[at + 1]), frame.sourceHeight),
                inside(frame.sourceX(edges[at + 2]), frame.sourceWidth),
                inside(frame.sourceY(edges[at + 3]), frame.sourceHeight)};
            classes[i] = found.classes[candidate];
            scores[i] = Math.min(found.scores[candidate], 1);
        }
        return Decoded.ofBoxes(boxes, classes, scores);
    }

    private static float inside(float position, int size) {
        return Math.min(Math.max(position, 0), size);
    }
}
