package org.tflitekit.core.inference;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.junit.Test;
import org.tflitekit.core.bundle.TensorSpec;

/** Ranking with ties and NaN, real values of every stored type, softmax at its edges. */
public class OutputsTest {
    private static final float NAN = Float.NaN;

    @Test
    public void theLowerIndexOfEqualValuesComesFirst() {
        rank(new float[] {0.25f, 0.5f, 0.5f, 0.25f}, 3, 1, 2, 0);
        rank(new float[] {1, 1, 1}, 2, 0, 1);
        rank(new float[] {0f, -0f}, 2, 0, 1);
        rank(new float[] {3, 2, 1, 4, 5}, 5, 4, 3, 0, 1, 2);
        rank(new float[] {1, 2}, 5, 1, 0);
        rank(new float[] {}, 2);
        rank(new float[] {1, 2}, 0);
    }

    @Test
    public void notANumberComesLast() {
        rank(new float[] {NAN, 1, NAN, 2}, 4, 3, 1, 0, 2);
        rank(new float[] {NAN, NAN, Float.NEGATIVE_INFINITY}, 2, 2, 0);
        rank(new float[] {NAN, NAN}, 1, 0);
        rank(new float[] {1, Float.POSITIVE_INFINITY, NAN}, 3, 1, 0, 2);
    }

    private static void rank(float[] values, int places, int... expected) {
        int[] indices = new int[places];
        int count = TopK.select(values, values.length, indices);
        assertArrayEquals(expected, Arrays.copyOf(indices, count));
    }

    @Test
    public void realValues() {
        assertReal("int8", true, new byte[] {-128, 0, 127}, -64.5f, -0.5f, 63f);
        assertReal("uint8", true, new byte[] {0, -1}, -0.5f, 127f);
        assertReal("int16", true, new byte[] {0, -128, -1, 127}, -16384.5f, 16383f);
        assertReal("int32", true, new byte[] {-1, -1, -1, -1}, -1f);
        assertReal("int32", false, new byte[] {-1, -1, -1, -1}, -1f);
        assertReal("uint16", false, new byte[] {-1, -1}, 65535f);
        assertReal("uint32", false, new byte[] {-1, -1, -1, -1}, 4294967295f);
        assertReal("int64", false, new byte[] {-2, -1, -1, -1, -1, -1, -1, -1}, -2f);
        assertReal("bool", false, new byte[] {0, 1}, 0f, 1f);
        assertReal("float32", false, new byte[] {0, 0, -64, 127, 0, 0, -128, 63}, NAN, 1f);
        assertReal("float64", false, new byte[] {0, 0, 0, 0, 0, 0, -16, 63}, 1f);
    }

    private static void assertReal(String dtype, boolean quantized, byte[] stored, float... expected) {
        TensorSpec spec = new TensorSpec("y", new int[] {expected.length}, dtype, quantized, 0.5f, 1);
        float[] real = new float[expected.length];
        Outputs.dequantize(ByteBuffer.wrap(stored).order(ByteOrder.LITTLE_ENDIAN), spec, real);
        assertArrayEquals(dtype, expected, real, 0);
    }

    @Test
    public void softmaxAtItsEdges() {
        assertSoftmax(new float[] {1000, 1000}, 0.5f, 0.5f);
        assertSoftmax(new float[] {-1000, 0}, 0f, 1f);
        assertSoftmax(new float[] {Float.POSITIVE_INFINITY, 0}, 1f, 0f);
        assertSoftmax(new float[] {NAN, 0, 0}, 0f, 0.5f, 0.5f);
        assertSoftmax(new float[] {NAN}, 0f);
        assertSoftmax(new float[] {0, (float) Math.log(3)}, 0.25f, 0.75f);
    }

    private static void assertSoftmax(float[] values, float... expected) {
        Outputs.softmax(values, values.length, values);
        assertArrayEquals(expected, values, 1e-7f);
    }

    @Test
    public void twoClassesOfOneValue() {
        float[] scores = new float[2];
        Outputs.binary(0.7f, true, scores);
        assertEquals(1 - 0.7f, scores[0], 0);
        Outputs.binary(2.5f, false, scores);
        assertArrayEquals(new float[] {-2.5f, 2.5f}, scores, 0);
    }
}
