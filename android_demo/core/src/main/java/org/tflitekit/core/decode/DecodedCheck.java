package org.tflitekit.core.decode;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.GoldenResult;
import org.tflitekit.core.bundle.JsonNode;

/** Does this device make the same of the host's outputs as the host did? */
public final class DecodedCheck {
    /** In pixels: exponentials of two platforms differ in the last digit. */
    private static final double NEAR = 1e-3;
    private static final double SAME_SCORE = 1e-5;

    private DecodedCheck() {}

    /**
     * Compares with what the host recorded.
     *
     * @return what differs, for people; null where nothing does
     */
    public static String difference(Bundle bundle, GoldenResult golden, Decoded found) throws BundleException {
        JsonNode expected = golden.decoded;
        switch (expected.choice("kind", "boxes", "mask", "poses")) {
            case "boxes":
                return boxes(expected, found);
            case "mask":
                return mask(bundle, golden, found);
            default:
                return poses(expected, found);
        }
    }

    private static String boxes(JsonNode expected, Decoded found) throws BundleException {
        double[][] boxes = expected.rows("boxes", 4);
        int[] classes = expected.integers("classes");
        double[] scores = expected.numbers("scores");
        if (boxes.length != found.boxes.length) {
            return "It finds " + found.boxes.length + " objects in the host's outputs, the host " + boxes.length + ".";
        }
        for (int i = 0; i < boxes.length; i++) {
            boolean same = classes[i] == found.classes[i] && Math.abs(scores[i] - found.scores[i]) <= SAME_SCORE;
            for (int j = 0; j < 4; j++) {
                same &= Math.abs(boxes[i][j] - found.boxes[i][j]) <= NEAR;
            }
            if (!same) {
                return "Object " + i + " that it finds in the host's outputs is not the host's.";
            }
        }
        return null;
    }

    private static String mask(Bundle bundle, GoldenResult golden, Decoded found) throws BundleException {
        ByteBuffer stored = ByteBuffer.wrap(bundle.bytes(golden.mask)).order(ByteOrder.LITTLE_ENDIAN);
        boolean wide = "int32".equals(golden.mask.dtype);
        int count = stored.capacity() / (wide ? 4 : 1);
        if (found.mask == null || count != found.mask.length) {
            return "The mask that it makes of the host's outputs is of another size than the host's.";
        }
        int other = 0;
        for (int i = 0; i < count; i++) {
            other += (wide ? stored.getInt(4 * i) : stored.get(i) & 255) == found.mask[i] ? 0 : 1;
        }
        return other == 0 ? null
                : other + " of " + count + " pixels of the mask that it makes of the host's outputs are not the host's.";
    }

    private static String poses(JsonNode expected, Decoded found) throws BundleException {
        double[][][] poses = expected.lists("points", 3);
        if (poses.length != found.poses.length) {
            return "It finds " + found.poses.length + " poses in the host's outputs, the host " + poses.length + ".";
        }
        for (int i = 0; i < poses.length; i++) {
            boolean same = poses[i].length == found.poses[i].length;
            for (int k = 0; same && k < poses[i].length; k++) {
                same = Math.abs(poses[i][k][0] - found.poses[i][k][0]) <= NEAR
                        && Math.abs(poses[i][k][1] - found.poses[i][k][1]) <= NEAR
                        && Math.abs(poses[i][k][2] - found.poses[i][k][2]) <= SAME_SCORE;
            }
            if (!same) {
                return "Pose " + i + " that it finds in the host's outputs is not the host's.";
            }
        }
        return null;
    }
}
