package org.tflitekit.core.decode;

import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.JsonNode;
import org.tflitekit.core.image.Frame;

/** Keypoints of one pose: the middle of the highest cell of a map for each. */
final class HeatMapReader implements OutputReader {
    private final boolean channelsFirst;

    HeatMapReader(JsonNode reader) throws BundleException {
        channelsFirst = "channels_first".equals(reader.choice("layout", "channels_last", "channels_first"));
    }

    @Override
    public Decoded read(Values[] outputs, Frame frame) {
        Values maps = outputs[0];
        int keypoints = maps.size(channelsFirst ? 0 : 2);
        int height = maps.size(channelsFirst ? 1 : 0);
        int width = maps.size(channelsFirst ? 2 : 1);
        float[][] pose = new float[keypoints][];
        for (int k = 0; k < keypoints; k++) {
            int best = 0;
            for (int cell = 1; cell < width * height; cell++) {
                if (maps.values[at(k, cell, keypoints, width * height)] > maps.values[at(k, best, keypoints, width * height)]) {
                    best = cell;
                }
            }
            float x = (float) ((best % width + 0.5) * ((double) frame.inputWidth / width));
            float y = (float) ((best / width + 0.5) * ((double) frame.inputHeight / height));
            float score = maps.values[at(k, best, keypoints, width * height)];
            pose[k] = new float[] {frame.sourceX(x), frame.sourceY(y), score};
        }
        return Decoded.ofPoses(new float[][][] {pose});
    }

    private int at(int keypoint, int cell, int keypoints, int cells) {
        return channelsFirst ? keypoint * cells + cell : cell * keypoints + keypoint;
    }
}
