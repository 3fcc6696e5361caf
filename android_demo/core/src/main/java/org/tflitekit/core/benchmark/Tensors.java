package org.tflitekit.core.benchmark;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Random;
import org.tflitekit.core.bundle.DataTypes;
import org.tflitekit.core.bundle.TensorSpec;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.core.inference.Engine;
import org.tflitekit.core.inference.Outputs;

/**
 * The values that a benchmark gives and takes: as on the host, seeded random ones from 0 to 1 where an input takes real
 * values, zeros where it takes indices.
 */
final class Tensors {
    private static final long SEED = 7;

    private final Engine engine;
    private final List<TensorSpec> inputs;
    private final List<TensorSpec> outputs;
    private final float[][] given;
    private final float[][] taken;

    Tensors(Engine engine, Variant variant) {
        this.engine = engine;
        inputs = variant.inputs;
        outputs = variant.outputs;
        given = new float[inputs.size()][];
        taken = new float[outputs.size()][];
        Random random = new Random(SEED);
        for (int i = 0; i < given.length; i++) {
            TensorSpec spec = inputs.get(i);
            given[i] = new float[Outputs.elements(engine.input(i), spec)];
            boolean real = spec.quantized || DataTypes.isFloat(spec.dtype);
            for (int j = 0; real && j < given[i].length; j++) {
                given[i][j] = random.nextFloat();
            }
        }
        for (int i = 0; i < taken.length; i++) {
            taken[i] = new float[Outputs.elements(engine.output(i), outputs.get(i))];
        }
    }

    /** Stores all inputs, quantized where they are. */
    void store() {
        for (int i = 0; i < given.length; i++) {
            store(given[i], inputs.get(i), engine.input(i));
        }
    }

    /** Fetches all outputs as real values. */
    void fetch() {
        for (int i = 0; i < taken.length; i++) {
            Outputs.dequantize(engine.output(i), outputs.get(i), taken[i]);
        }
    }

    private static void store(float[] real, TensorSpec spec, ByteBuffer stored) {
        switch (spec.dtype) {
            case "float32":
                for (int i = 0; i < real.length; i++) {
                    stored.putFloat(4 * i, real[i]);
                }
                return;
            case "int8":
                for (int i = 0; i < real.length; i++) {
                    stored.put(i, (byte) quantized(real[i], spec, Byte.MIN_VALUE, Byte.MAX_VALUE));
                }
                return;
            case "uint8":
                for (int i = 0; i < real.length; i++) {
                    stored.put(i, (byte) quantized(real[i], spec, 0, 255));
                }
                return;
            case "int16":
                for (int i = 0; i < real.length; i++) {
                    stored.putShort(2 * i, (short) quantized(real[i], spec, Short.MIN_VALUE, Short.MAX_VALUE));
                }
                return;
            default:
                for (int i = 0; i < stored.capacity(); i++) {
                    stored.put(i, (byte) 0);
                }
        }
    }

    private static int quantized(float real, TensorSpec spec, int lowest, int highest) {
        if (!spec.quantized) {
            return 0;
        }
        return Math.max(lowest, Math.min(highest, (int) Math.rint(real / spec.scale) + spec.zeroPoint));
    }
}
