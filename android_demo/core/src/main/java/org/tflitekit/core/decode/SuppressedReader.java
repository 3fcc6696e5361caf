package org.tflitekit.core.decode;

import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.JsonNode;
import org.tflitekit.core.image.Frame;

/** Detectors that sort out overlapping boxes themselves: four outputs of TensorFlow Lite's operator, or rows of box, score and class. */
final class SuppressedReader implements OutputReader {
    private final boolean fourOutputs;
    private final BoxForm form;
    private final Selection selection;

    SuppressedReader(JsonNode reader, boolean fourOutputs) throws BundleException {
        this.fourOutputs = fourOutputs;
        form = BoxForm.of(reader);
        selection = new Selection(reader);
    }

    @Override
    public Decoded read(Values[] outputs, Frame frame) {
        Values boxes = outputs[0];
        int columns = fourOutputs ? 4 : boxes.size(1);
        int rows = boxes.values.length / columns;
        int count = rows;
        if (fourOutputs) {
            float number = outputs[3].values[0];
            count = number == number ? (int) Math.max(0, Math.min(number, rows)) : 0;
        }
        float[] edges = new float[4 * rows];
        Candidates found = new Candidates(edges);
        for (int row = 0; row < rows; row++) {
            int at = row * columns;
            float[] box = boxes.values;
            form.edges(box[at], box[at + 1], box[at + 2], box[at + 3], edges, 4 * row);
            float score = fourOutputs ? outputs[2].values[row] : box[at + 4];
            float label = fourOutputs ? outputs[1].values[row] : box[at + 5];
            if (row < count && score >= selection.score) {
                found.add(row, label == label ? (int) Math.rint(label) : -1, score);
            }
        }
        return selection.boxes(found, frame);
    }
}
