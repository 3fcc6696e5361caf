package org.tflitekit.core.decode;

import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.JsonNode;
import org.tflitekit.core.image.Frame;

/** Detectors with boxes in one output and the scores of classes in another, as SSD and DETR are. */
final class BoxesAndScoresReader implements OutputReader {
    /** Null where boxes are offsets from anchors. */
    private final BoxForm form;
    private final Anchors anchors;
    private final String background;
    private final String activation;
    private final Selection selection;

    BoxesAndScoresReader(JsonNode reader) throws BundleException {
        boolean anchored = "anchored".equals(reader.text("box"));
        form = anchored ? null : BoxForm.of(reader);
        anchors = anchored ? new Anchors(reader) : null;
        background = reader.choice("background", "none", "first", "last");
        activation = reader.choice("activation", "none", "sigmoid", "softmax");
        selection = new Selection(reader);
    }

    @Override
    public Decoded read(Values[] outputs, Frame frame) {
        Values boxes = outputs[0];
        Values given = outputs[1];
        int rows = boxes.size(0);
        int classes = given.size(1);
        float[] edges = new float[4 * rows];
        Candidates found = new Candidates(edges);
        float[] scores = new float[classes];
        int first = "first".equals(background) ? 1 : 0;
        int end = "last".equals(background) ? classes - 1 : classes;
        for (int row = 0; row < rows; row++) {
            if (form != null) {
                form.edges(boxes.at(row, 0), boxes.at(row, 1), boxes.at(row, 2), boxes.at(row, 3), edges, 4 * row);
            } else {
                anchors.edges(boxes, row, edges, 4 * row);
            }
            scores(given, row, scores);
            add(found, row, scores, first, end);
        }
        return selection.boxes(found, frame);
    }

    /** Adds each class whose score is high enough; of a softmax the best one alone. */
    private void add(Candidates found, int row, float[] scores, int first, int end) {
        int best = first;
        for (int label = first; label < end; label++) {
            if ("softmax".equals(activation)) {
                best = scores[label] > scores[best] ? label : best;
            } else if (scores[label] >= selection.score) {
                found.add(row, label - first, scores[label]);
            }
        }
        if ("softmax".equals(activation) && scores[best] >= selection.score) {
            found.add(row, best - first, scores[best]);
        }
    }

    private void scores(Values given, int row, float[] scores) {
        float largest = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < scores.length; i++) {
            scores[i] = given.at(row, i);
            largest = Math.max(largest, scores[i]);
        }
        if ("sigmoid".equals(activation)) {
            for (int i = 0; i < scores.length; i++) {
                scores[i] = 1 / (1 + (float) Math.exp(-Math.min(Math.max(scores[i], -80), 80)));
            }
        } else if ("softmax".equals(activation)) {
            float sum = 0;
            for (int i = 0; i < scores.length; i++) {
                scores[i] = (float) Math.exp(scores[i] - largest);
                sum += scores[i];
            }
            for (int i = 0; i < scores.length; i++) {
                scores[i] /= sum;
            }
        }
    }
}
