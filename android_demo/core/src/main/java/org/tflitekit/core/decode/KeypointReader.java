package org.tflitekit.core.decode;

import java.util.ArrayList;
import java.util.List;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.JsonNode;
import org.tflitekit.core.image.Frame;

/** Keypoints as coordinates: of one pose, or of several people as MoveNet's MultiPose has them. */
final class KeypointReader implements OutputReader {
    /** 17 times y, x and score, then a box and the person's score. */
    private static final int COLUMNS = 56;
    private static final int PERSON = 17;
    private static final int PERSON_SCORE = 55;

    private final boolean yFirst;
    private final boolean shares;
    private final boolean several;
    private final float score;

    KeypointReader(JsonNode reader) throws BundleException {
        yFirst = "yx".equals(reader.choice("order", "xy", "yx"));
        shares = "input".equals(reader.choice("unit", "input", "pixels"));
        several = reader.flag("several");
        score = several ? (float) reader.number("score") : 0;
    }

    @Override
    public Decoded read(Values[] outputs, Frame frame) {
        Values all = outputs[0];
        List<float[][]> poses = new ArrayList<>();
        if (several) {
            for (int row = 0; row < all.values.length / COLUMNS; row++) {
                if (all.values[row * COLUMNS + PERSON_SCORE] >= score) {
                    poses.add(pose(all.values, row * COLUMNS, PERSON, 3, frame));
                }
            }
        } else {
            int columns = all.size(all.shape.length - 1);
            poses.add(pose(all.values, 0, all.values.length / columns, columns, frame));
        }
        return Decoded.ofPoses(poses.toArray(new float[0][][]));
    }

    private float[][] pose(float[] values, int from, int keypoints, int columns, Frame frame) {
        float[][] pose = new float[keypoints][];
        for (int k = 0; k < keypoints; k++) {
            int at = from + k * columns;
            float x = values[yFirst ? at + 1 : at] * (shares ? frame.inputWidth : 1);
            float y = values[yFirst ? at : at + 1] * (shares ? frame.inputHeight : 1);
            pose[k] = new float[] {frame.sourceX(x), frame.sourceY(y), columns > 2 ? values[at + 2] : 1};
        }
        return pose;
    }
}
