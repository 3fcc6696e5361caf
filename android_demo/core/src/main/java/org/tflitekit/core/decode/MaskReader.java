package org.tflitekit.core.decode;

import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.JsonNode;
import org.tflitekit.core.image.Frame;

/** Masks: scores of classes, one score for the foreground, or classes themselves, at each place of a map over the input. */
final class MaskReader implements OutputReader {
    private final String values;
    private final boolean channelsFirst;
    private final float threshold;

    MaskReader(JsonNode reader) throws BundleException {
        values = reader.choice("values", "scores", "foreground", "classes");
        channelsFirst = "channels_first".equals(reader.choice("layout", "channels_last", "channels_first"));
        threshold = "foreground".equals(values) ? (float) reader.number("threshold") : 0;
    }

    @Override
    public Decoded read(Values[] outputs, Frame frame) {
        Values map = outputs[0];
        int height = map.size(channelsFirst ? 1 : 0);
        int width = map.size(channelsFirst ? 2 : 1);
        int channels = map.values.length / Math.max(1, height * width);
        MapSampler sampler = new MapSampler(frame, width, height);
        int[] mask = new int[frame.sourceWidth * frame.sourceHeight];
        if ("classes".equals(values)) {
            float[] sampled = sampler.nearest(plane(map, 0, channels, width * height));
            for (int i = 0; i < mask.length; i++) {
                mask[i] = (int) Math.rint(sampled[i]);
            }
        } else if ("foreground".equals(values)) {
            float[] sampled = sampler.bilinear(plane(map, 0, channels, width * height));
            for (int i = 0; i < mask.length; i++) {
                mask[i] = sampled[i] > threshold ? 1 : 0;
            }
        } else {
            highest(map, channels, width * height, sampler, mask);
        }
        return Decoded.ofMask(mask, frame.sourceWidth, frame.sourceHeight);
    }

    private void highest(Values map, int channels, int places, MapSampler sampler, int[] mask) {
        float[] highest = sampler.bilinear(plane(map, 0, channels, places)).clone();
        for (int channel = 1; channel < channels; channel++) {
            float[] sampled = sampler.bilinear(plane(map, channel, channels, places));
            for (int i = 0; i < mask.length; i++) {
                if (sampled[i] > highest[i]) {
                    mask[i] = channel;
                }
                highest[i] = Math.max(highest[i], sampled[i]);
            }
        }
    }

    private float[] plane(Values map, int channel, int channels, int places) {
        float[] plane = new float[places];
        for (int i = 0; i < places; i++) {
            plane[i] = map.values[channelsFirst ? channel * places + i : i * channels + channel];
        }
        return plane;
    }
}
