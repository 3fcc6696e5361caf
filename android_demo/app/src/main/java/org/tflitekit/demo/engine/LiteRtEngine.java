package org.tflitekit.demo.engine;

import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.tensorflow.lite.Delegate;
import org.tensorflow.lite.Interpreter;
import org.tflitekit.core.bundle.TensorSpec;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.core.inference.Engine;
import org.tflitekit.core.inference.EngineException;

/** A model in TensorFlow Lite's interpreter. Its buffers are made once; a run allocates nothing of its own. */
final class LiteRtEngine implements Engine {
    /** What the runtime does not tell. */
    private static final int UNKNOWN = -1;

    private final Interpreter interpreter;
    private final Delegate delegate;
    private final Variant variant;
    private final String accelerator;
    private final int threads;
    private final String runtimeVersion;
    /** Steps of the interpreter: operators, or a delegate's piece of the graph. */
    private final int steps;
    private final ByteBuffer[] inputs;
    private final ByteBuffer[] outputs;
    private final Map<Integer, Object> outputsByIndex = new HashMap<Integer, Object>();
    private boolean closed;

    /** @param model what the interpreter reads from, kept as long as the engine */
    LiteRtEngine(Interpreter interpreter, Delegate delegate, ByteBuffer model, Variant variant, String accelerator,
            int threads, String runtimeVersion) {
        this.interpreter = interpreter;
        this.delegate = delegate;
        this.variant = variant;
        this.accelerator = accelerator;
        this.threads = threads;
        this.runtimeVersion = runtimeVersion;
        fixSizes();
        interpreter.allocateTensors();
        inputs = buffers(variant.inputs);
        outputs = buffers(variant.outputs);
        for (int i = 0; i < outputs.length; i++) {
            outputsByIndex.put(i, outputs[i]);
        }
        steps = executionPlanLength(interpreter);
    }

    /** Dynamic dimensions become 1: the app gives one sample at a time. */
    private void fixSizes() {
        for (int i = 0; i < variant.inputs.size(); i++) {
            int[] shape = variant.inputs.get(i).shape();
            boolean dynamic = false;
            for (int axis = 0; axis < shape.length; axis++) {
                dynamic |= shape[axis] < 0;
                shape[axis] = Math.max(1, shape[axis]);
            }
            if (dynamic) {
                interpreter.resizeInput(i, shape);
            }
        }
    }

    private static ByteBuffer[] buffers(List<TensorSpec> specs) {
        ByteBuffer[] buffers = new ByteBuffer[specs.size()];
        for (int i = 0; i < buffers.length; i++) {
            buffers[i] = ByteBuffer.allocateDirect(specs.get(i).bytes()).order(ByteOrder.nativeOrder());
        }
        return buffers;
    }

    @Override
    public ByteBuffer input(int index) {
        return inputs[index];
    }

    @Override
    public ByteBuffer output(int index) {
        return outputs[index];
    }

    @Override
    public void invoke() throws EngineException {
        for (ByteBuffer input : inputs) {
            input.rewind();
        }
        for (ByteBuffer output : outputs) {
            output.clear();
        }
        try {
            if (variant.keepsState) {
                interpreter.resetVariableTensors();
            }
            interpreter.runForMultipleInputsOutputs(inputs, outputsByIndex);
        } catch (RuntimeException error) {
            throw new EngineException("The variant '" + variant.name + "' failed while it ran on the "
                    + LiteRtEngineFactory.name(accelerator) + " (" + LiteRtEngineFactory.words(error) + ").", error);
        }
        for (ByteBuffer output : outputs) {
            output.rewind();
        }
    }

    @Override
    public String requestedAccelerator() {
        return accelerator;
    }

    /** A delegate that joined no operators leaves all of them to the CPU's own kernels. */
    @Override
    public String actualAccelerator() {
        return delegate != null && tookNothing() ? LiteRtEngineFactory.CPU_BUILTIN : accelerator;
    }

    /** A delegate's piece of the graph is one step. One that took single operators only cannot be told from none. */
    private boolean tookNothing() {
        return steps == variant.operators && steps > 1;
    }

    @Override
    public String accelerationDetail() {
        String name = LiteRtEngineFactory.name(accelerator);
        if (LiteRtEngineFactory.CPU_BUILTIN.equals(accelerator)) {
            return "CPU without XNNPACK";
        }
        if (delegate == null) {
            name = "XNNPACK";
        } else if (LiteRtEngineFactory.NNAPI.equals(accelerator)) {
            name += " (deprecated since Android 15)";
        }
        if (tookNothing()) {
            return name + " took no operator, or single ones only: " + steps + " steps for " + steps + " operators";
        }
        if (steps == UNKNOWN || steps > variant.operators || variant.operators == 1) {
            return name + ": this runtime does not tell how many operators it took";
        }
        return name + ": " + (steps == 1 ? "all " + variant.operators + " operators"
                : variant.operators + " operators in " + steps + " steps, some of which the CPU takes");
    }

    @Override
    public int threads() {
        return threads;
    }

    @Override
    public String runtimeVersion() {
        return runtimeVersion;
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            interpreter.close();
            LiteRtEngineFactory.close(delegate);
        }
    }

    /**
     * Returns how many steps the interpreter takes in one run, or UNKNOWN. The runtime knows it and has no public method
     * that says it (2.6 to 2.16: NativeInterpreterWrapper.getExecutionPlanLength).
     */
    private static int executionPlanLength(Interpreter interpreter) {
        for (Class<?> type = interpreter.getClass(); type != null; type = type.getSuperclass()) {
            try {
                Field field = type.getDeclaredField("wrapper");
                field.setAccessible(true);
                Object wrapper = field.get(interpreter);
                for (Class<?> owner = wrapper.getClass(); owner != null; owner = owner.getSuperclass()) {
                    for (Method method : owner.getDeclaredMethods()) {
                        if (method.getName().equals("getExecutionPlanLength") && method.getParameterTypes().length == 0) {
                            method.setAccessible(true);
                            return (Integer) method.invoke(wrapper);
                        }
                    }
                }
                return UNKNOWN;
            } catch (NoSuchFieldException error) {
                continue;
            } catch (ReflectiveOperationException | RuntimeException error) {
                return UNKNOWN;
            }
        }
        return UNKNOWN;
    }
}
