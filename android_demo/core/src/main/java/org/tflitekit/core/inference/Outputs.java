package org.tflitekit.core.inference;

import java.nio.ByteBuffer;
import org.tflitekit.core.bundle.TensorSpec;

/** From stored outputs to real values. */
public final class Outputs {
    private Outputs() {}

    /**
     * Fills in real values, {@code scale * (stored - zeroPoint)} in float32 where the tensor is quantized.
     *
     * @param stored native order, read from its start; its position does not change
     * @param real at least as long as the tensor has elements
     */
    public static void dequantize(ByteBuffer stored, TensorSpec spec, float[] real) {
        throw new UnsupportedOperationException();
    }

    /** Fills in the softmax of the first {@code count} values; values that are no numbers get 0. */
    public static void softmax(float[] values, int count, float[] probabilities) {
        throw new UnsupportedOperationException();
    }
}
