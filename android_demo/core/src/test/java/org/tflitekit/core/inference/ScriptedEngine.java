package org.tflitekit.core.inference;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.RuntimeVersion;
import org.tflitekit.core.bundle.TensorSpec;
import org.tflitekit.core.bundle.Variant;

/**
 * An engine that gives what a test tells it to: for what no real runtime does on demand, such as NaN, a failure, or
 * falling back to another accelerator.
 */
public final class ScriptedEngine implements Engine {
    private final ByteBuffer input;
    private final List<ByteBuffer> outputs = new ArrayList<>();
    private final byte[] answer;
    private final String requested;
    private final String actual;
    public boolean closed;

    /** @param answer stored bytes of all outputs in their order, or null where running fails */
    public ScriptedEngine(Variant variant, byte[] answer, String requested, String actual) {
        input = ByteBuffer.allocateDirect(variant.inputs.get(0).bytes()).order(ByteOrder.nativeOrder());
        for (TensorSpec output : variant.outputs) {
            outputs.add(ByteBuffer.allocateDirect(output.bytes()).order(ByteOrder.nativeOrder()));
        }
        this.answer = answer;
        this.requested = requested;
        this.actual = actual;
    }

    /** Opens such engines; remembers the last one. */
    public static final class Factory implements EngineFactory {
        private final byte[] answer;
        private final String actual;
        public ScriptedEngine last;

        /** @param actual what runs instead of what was asked for; null for what was asked for */
        public Factory(byte[] answer, String actual) {
            this.answer = answer;
            this.actual = actual;
        }

        @Override
        public Engine open(Bundle bundle, Variant variant, String accelerator, int threads)
                throws EngineException, BundleException {
            RuntimeVersion.require(variant, runtimeVersion());
            bundle.model(variant);
            last = new ScriptedEngine(variant, answer, accelerator, actual == null ? accelerator : actual);
            return last;
        }

        @Override
        public List<String> accelerators() {
            return Arrays.asList("cpu", "gpu", "nnapi");
        }

        @Override
        public String runtimeVersion() {
            return "2.16.1";
        }
    }

    @Override
    public ByteBuffer input(int index) {
        return input;
    }

    @Override
    public ByteBuffer output(int index) {
        return outputs.get(index);
    }

    @Override
    public void invoke() throws EngineException {
        if (answer == null) {
            throw new EngineException("The delegate lost its device.");
        }
        int at = 0;
        for (int i = 0; i < outputs.size(); i++) { // without an iterator, which would be allocated
            ByteBuffer output = outputs.get(i);
            output.rewind();
            output.put(answer, at, output.capacity());
            output.rewind();
            at += output.capacity();
        }
    }

    @Override
    public String requestedAccelerator() {
        return requested;
    }

    @Override
    public String actualAccelerator() {
        return actual;
    }

    @Override
    public String accelerationDetail() {
        return "as scripted";
    }

    @Override
    public int threads() {
        return 1;
    }

    @Override
    public String runtimeVersion() {
        return "2.16.1";
    }

    @Override
    public void close() {
        closed = true;
    }
}
