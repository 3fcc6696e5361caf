package org.tflitekit.core.inference;

import java.io.Closeable;
import java.nio.ByteBuffer;

/** One loaded model. Not thread-safe. */
public interface Engine extends Closeable {
    /** Returns the direct buffer of an input, in native order; the same one in each call. */
    ByteBuffer input(int index);

    /** Returns the direct buffer of an output, in native order; the same one in each call, filled by invoke. */
    ByteBuffer output(int index);

    /** Runs the model. What operators keep between inferences is set to zero before. */
    void invoke() throws EngineException;

    /** Returns what was asked for: "cpu", "cpu_builtin", "gpu" or "nnapi". */
    String requestedAccelerator();

    /** Returns what really runs the model, in the same words. */
    String actualAccelerator();

    /** Returns for people what runs where, for example "GPU: 12 of 14 operators". */
    String accelerationDetail();

    int threads();

    /** Returns the runtime's version in TensorFlow's numbering, which minimum versions have: for example "2.16.1". */
    String runtimeVersion();

    /** Frees the model. Does nothing when it was freed before. */
    @Override
    void close();
}
