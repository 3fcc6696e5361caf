package org.tflitekit.core.decode;

import java.nio.ByteBuffer;
import java.util.Arrays;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.JsonNode;
import org.tflitekit.core.bundle.TensorSpec;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.core.image.Frame;
import org.tflitekit.core.inference.Outputs;

/** Makes boxes, masks and poses of a variant's outputs, as the host's reader does. Not thread-safe. */
public final class Decoder {
    private final OutputReader reader;
    private final TensorSpec[] specs;
    private final int[] indices;
    private boolean notANumber;

    /** @throws BundleException the bundle has no reader, one that this app does not know, or one that the variant's outputs do not fit */
    public Decoder(Bundle bundle, Variant variant) throws BundleException {
        if (bundle.reader == null) {
            throw new BundleException("The bundle '" + bundle.name + "' does not say how outputs are decoded.");
        }
        String[] names = bundle.reader.texts("outputs");
        specs = new TensorSpec[names.length];
        indices = new int[names.length];
        for (int i = 0; i < names.length; i++) {
            indices[i] = index(variant, names[i]);
            specs[i] = variant.outputs.get(indices[i]);
        }
        reader = open(bundle.reader);
    }

    private static OutputReader open(JsonNode reader) throws BundleException {
        String name = reader.text("name");
        switch (name) {
            case "yolov5":
            case "yolov8":
                return new YoloReader(reader);
            case "tflite-detection":
                return new SuppressedReader(reader, true);
            case "end-to-end":
                return new SuppressedReader(reader, false);
            case "boxes":
            case "detr":
            case "ssd":
                return new BoxesAndScoresReader(reader);
            case "mask":
                return new MaskReader(reader);
            case "heatmaps":
                return new HeatMapReader(reader);
            case "keypoints":
                return new KeypointReader(reader);
            default:
                throw new BundleException("The bundle decodes outputs with '" + name
                        + "', which this app does not know. Update the app.");
        }
    }

    private static int index(Variant variant, String name) throws BundleException {
        for (int i = 0; i < variant.outputs.size(); i++) {
            if (variant.outputs.get(i).name.equals(name)) {
                return i;
            }
        }
        throw new BundleException("The bundle decodes the output '" + name + "', which the variant '" + variant.name
                + "' does not have. Make the bundle again with 'tflitekit bundle'.");
    }

    /**
     * Decodes what an interpreter holds.
     *
     * @param outputs stored values, in the order of the variant's outputs; native order
     */
    public Decoded decode(ByteBuffer[] outputs, Frame frame) {
        notANumber = false;
        Values[] values = new Values[specs.length];
        for (int i = 0; i < specs.length; i++) {
            ByteBuffer stored = outputs[indices[i]];
            float[] real = new float[Outputs.elements(stored, specs[i])];
            Outputs.dequantize(stored, specs[i], real);
            for (float value : real) {
                notANumber |= value != value;
            }
            int[] shape = specs[i].shape();
            values[i] = new Values(real, shape.length > 1 ? Arrays.copyOfRange(shape, 1, shape.length) : new int[] {1});
        }
        return reader.read(values, frame);
    }

    /** Returns whether outputs held values that are not numbers (NaN) when they were decoded last. */
    public boolean foundNotANumber() {
        return notANumber;
    }
}
