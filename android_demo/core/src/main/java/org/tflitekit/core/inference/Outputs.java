package org.tflitekit.core.inference;

import java.nio.ByteBuffer;
import org.tflitekit.core.bundle.DataTypes;
import org.tflitekit.core.bundle.TensorSpec;

/** From stored outputs to real values. */
public final class Outputs {
    private Outputs() {}

    /** Returns how many elements of a tensor a buffer holds, also where the tensor's shape is dynamic. */
    public static int elements(ByteBuffer stored, TensorSpec spec) {
        return stored.capacity() / DataTypes.bytes(spec.dtype);
    }

    /**
     * Fills in real values, {@code scale * (stored - zeroPoint)} in float32 where the tensor is quantized.
     *
     * @param stored native order, read as a whole; its position does not change
     * @param real at least as long as the buffer has elements
     * @throws IllegalArgumentException the tensor's type cannot be shown as real values
     */
    public static void dequantize(ByteBuffer stored, TensorSpec spec, float[] real) {
        int count = elements(stored, spec);
        switch (spec.dtype) {
            case "float32":
                for (int i = 0; i < count; i++) {
                    real[i] = stored.getFloat(4 * i);
                }
                return;
            case "float64":
                for (int i = 0; i < count; i++) {
                    real[i] = (float) stored.getDouble(8 * i);
                }
                return;
            case "int8":
                for (int i = 0; i < count; i++) {
                    real[i] = stored.get(i);
                }
                break;
            case "uint8":
            case "bool":
                for (int i = 0; i < count; i++) {
                    real[i] = stored.get(i) & 255;
                }
                break;
            case "int16":
                for (int i = 0; i < count; i++) {
                    real[i] = stored.getShort(2 * i);
                }
                break;
            case "uint16":
                for (int i = 0; i < count; i++) {
                    real[i] = stored.getShort(2 * i) & 0xFFFF;
                }
                break;
            case "int32":
                for (int i = 0; i < count; i++) {
                    real[i] = stored.getInt(4 * i);
                }
                break;
            case "uint32":
                for (int i = 0; i < count; i++) {
                    real[i] = stored.getInt(4 * i) & 0xFFFFFFFFL;
                }
                break;
            case "int64":
                for (int i = 0; i < count; i++) {
                    real[i] = stored.getLong(8 * i);
                }
                break;
            default:
                throw new IllegalArgumentException("The output '" + spec.name + "' is stored as " + spec.dtype
                        + ", which this app cannot show.");
        }
        if (spec.quantized) {
            float zeroPoint = spec.zeroPoint;
            for (int i = 0; i < count; i++) {
                real[i] = (real[i] - zeroPoint) * spec.scale;
            }
        }
    }

    /**
     * Fills in the scores of two classes that one value decides between: {@code (1 - p, p)} of a probability,
     * {@code (-v, v)} of another value.
     */
    public static void binary(float value, boolean probability, float[] scores) {
        scores[0] = probability ? 1 - value : -value;
        scores[1] = value;
    }

    /**
     * Fills in the softmax of the first {@code count} values; values that are no numbers get 0.
     *
     * @param probabilities may be the same array as the values
     */
    public static void softmax(float[] values, int count, float[] probabilities) {
        double largest = Double.NEGATIVE_INFINITY;
        for (int i = 0; i < count; i++) {
            if (values[i] > largest) {
                largest = values[i];
            }
        }
        double sum = 0;
        for (int i = 0; i < count; i++) {
            sum += exponential(values[i], largest);
        }
        for (int i = 0; i < count; i++) {
            probabilities[i] = sum > 0 ? (float) (exponential(values[i], largest) / sum) : 0;
        }
    }

    private static double exponential(float value, double largest) {
        if (Float.isNaN(value)) {
            return 0;
        }
        return value == largest ? 1 : Math.exp(value - largest);
    }
}
