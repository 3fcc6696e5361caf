package org.tflitekit.core.decode;

import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.JsonNode;
import org.tflitekit.core.image.Frame;

/** Heads of YOLO: one output with a box and scores for each candidate. */
final class YoloReader implements OutputReader {
    private final boolean featuresLast;
    private final boolean objectness;
    private final BoxForm form;
    private final Selection selection;

    YoloReader(JsonNode reader) throws BundleException {
        featuresLast = reader.flag("features_last");
        objectness = reader.flag("objectness");
        form = BoxForm.of(reader);
        selection = new Selection(reader);
    }

    @Override
    public Decoded read(Values[] outputs, Frame frame) {
        Values head = outputs[0];
        int count = head.size(featuresLast ? 0 : 1);
        int features = head.size(featuresLast ? 1 : 0);
        float[] edges = new float[4 * count];
        Candidates found = new Candidates(edges);
        int first = objectness ? 5 : 4;
        for (int row = 0; row < count; row++) {
            form.edges(at(head, row, 0), at(head, row, 1), at(head, row, 2), at(head, row, 3), edges, 4 * row);
            for (int feature = first; feature < features; feature++) {
                float score = at(head, row, feature);
                score = objectness ? score * at(head, row, 4) : score;
                if (score >= selection.score) {
                    found.add(row, feature - first, score);
                }
            }
        }
        return selection.boxes(found, frame);
    }

    private float at(Values head, int row, int feature) {
        return featuresLast ? head.at(row, feature) : head.at(feature, row);
    }
}
