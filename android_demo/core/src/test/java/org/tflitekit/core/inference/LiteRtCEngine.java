package org.tflitekit.core.inference;

import com.sun.jna.Callback;
import com.sun.jna.Library;
import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.RuntimeVersion;
import org.tflitekit.core.bundle.TensorSpec;
import org.tflitekit.core.bundle.Variant;

/**
 * The real LiteRT runtime on the JVM, through the C interface of the shared library in the Python wheel. The same
 * library computed the host's results.
 *
 * <p>Facts about the interface are from the headers in {@code litert/c} of the LiteRT project. The structures are not
 * promised to stay, so ranks, dimensions and sizes that come back are compared with the bundle's.
 */
public final class LiteRtCEngine implements Engine {
    private static final int RTLD_LAZY = 1;
    /** Its threads and exit handlers outlive what Java knows of it. Without RTLD_GLOBAL: another runtime may be there. */
    private static final int RTLD_NODELETE = 0x1000;
    private static final int CPU = 1;
    private static final int KERNELS_BUILTIN = 2;
    private static final int LOCK_READ = 0;
    private static final int LOCK_WRITE = 1;
    /** LiteRtRankedTensorType: element type, rank and flags, 8 dimensions, 8 strides; and room for what may follow. */
    private static final int TENSOR_TYPE_BYTES = 256;
    private static final int RANK_OFFSET = 4;
    private static final int DIMENSIONS_OFFSET = 8;

    /** A Java function that native code may call. */
    public interface Release extends Callback {
        void invoke(Pointer data);
    }

    private static final Release KEEP = new Release() {
        @Override
        public void invoke(Pointer data) {
            // The memory belongs to Java.
        }
    };

    private final NativeLibrary library;
    private final Variant variant;
    private final String accelerator;
    private final int threads;
    private final String version;
    private final ByteBuffer file;
    private final List<Object> borrowed = new ArrayList<>();
    private final ByteBuffer[] inputs;
    private final ByteBuffer[] outputs;
    private final Pointer environment;
    private final Pointer model;
    private Pointer compiled;
    private int[] inputOrder;
    private int[] outputOrder;
    private Pointer[] inputBuffers;
    private Pointer[] outputBuffers;
    private boolean closed;

    private LiteRtCEngine(NativeLibrary library, ByteBuffer file, Variant variant, String accelerator, int threads,
            String version) throws EngineException {
        this.library = library;
        this.file = file;
        this.variant = variant;
        this.accelerator = accelerator;
        this.threads = threads;
        this.version = version;
        inputs = buffers(variant.inputs);
        outputs = buffers(variant.outputs);
        environment = make("LiteRtCreateEnvironment", 0, null);
        model = make("LiteRtCreateModelFromBuffer", environment, Native.getDirectBufferPointer(file),
                (long) file.capacity());
        compile();
    }

    /** Loads variants with the library at a path. */
    public static final class Factory implements EngineFactory {
        private final NativeLibrary library;
        private final String version;

        public Factory(String path, String version) {
            library = NativeLibrary.getInstance(path,
                    Collections.singletonMap(Library.OPTION_OPEN_FLAGS, RTLD_LAZY | RTLD_NODELETE));
            this.version = version;
        }

        @Override
        public Engine open(Bundle bundle, Variant variant, String accelerator, int threads)
                throws EngineException, BundleException {
            RuntimeVersion.require(variant, version);
            return new LiteRtCEngine(library, bundle.model(variant), variant, accelerator, threads, version);
        }

        @Override
        public List<String> accelerators() {
            return Arrays.asList("cpu", "cpu_builtin");
        }

        @Override
        public String runtimeVersion() {
            return version;
        }
    }

    private static ByteBuffer[] buffers(List<TensorSpec> specs) {
        ByteBuffer[] buffers = new ByteBuffer[specs.size()];
        for (int i = 0; i < buffers.length; i++) {
            buffers[i] = ByteBuffer.allocateDirect(specs.get(i).bytes()).order(ByteOrder.nativeOrder());
        }
        return buffers;
    }

    private void compile() throws EngineException {
        Pointer options = make("LiteRtCreateOptions");
        call("LiteRtSetOptionsHardwareAccelerators", options, CPU);
        String text = "num_threads = " + threads + "\n";
        if ("cpu_builtin".equals(accelerator)) {
            text += "kernel_mode = " + KERNELS_BUILTIN + "\n";
        }
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        Memory toml = new Memory(bytes.length + 1);
        toml.clear();
        toml.write(0, bytes, 0, bytes.length);
        borrowed.add(toml);
        call("LiteRtAddOpaqueOptions", options, make("LiteRtCreateOpaqueOptions", "xnnpack", toml, KEEP));
        compiled = make("LiteRtCreateCompiledModel", environment, model, options);
        Pointer signature = make("LiteRtGetModelSignature", model, 0L);
        inputOrder = order(signature, "Input", inputs.length);
        outputOrder = order(signature, "Output", outputs.length);
        inputBuffers = tensorBuffers(signature, "Input", inputOrder, variant.inputs);
        outputBuffers = tensorBuffers(signature, "Output", outputOrder, variant.outputs);
    }

    /** Returns the runtime's buffers in its own order, that of the signature. */
    private Pointer[] tensorBuffers(Pointer signature, String side, int[] order, List<TensorSpec> specs)
            throws EngineException {
        Pointer[] made = new Pointer[order.length];
        for (int i = 0; i < made.length; i++) {
            TensorSpec spec = specs.get(order[i]);
            Memory type = new Memory(TENSOR_TYPE_BYTES);
            type.clear();
            call("LiteRtGetRankedTensorType", make("LiteRtGetSignature" + side + "TensorByIndex", signature, (long) i),
                    type);
            check(type, spec);
            Pointer needs = make("LiteRtGetCompiledModel" + side + "BufferRequirements", compiled, 0L, (long) i);
            made[i] = make("LiteRtCreateManagedTensorBufferFromRequirements", environment, type, needs);
            long bytes = number("LiteRtGetTensorBufferPackedSize", made[i]);
            if (bytes != spec.bytes()) {
                throw new EngineException("The runtime's tensor '" + spec.name + "' has " + bytes
                        + " bytes, the bundle's " + spec.bytes() + ".");
            }
        }
        return made;
    }

    /** Returns for each tensor of the signature its index in the file, which is the bundle's order. */
    private int[] order(Pointer signature, String side, int count) throws EngineException {
        Pointer graph = make("LiteRtGetModelSubgraph", model, 0L);
        if (number("LiteRtGetNumSignature" + side + "s", signature) != count
                || number("LiteRtGetNumSubgraph" + side + "s", graph) != count) {
            throw new EngineException("The runtime does not see the " + count + " tensors of the bundle.");
        }
        List<Pointer> inFile = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            inFile.add(make("LiteRtGetSubgraph" + side, graph, (long) i));
        }
        int[] order = new int[count];
        for (int i = 0; i < count; i++) {
            order[i] = inFile.indexOf(make("LiteRtGetSignature" + side + "TensorByIndex", signature, (long) i));
        }
        return order;
    }

    /** Compares a tensor's type with the bundle's; sets a dynamic batch to 1. */
    private static void check(Memory type, TensorSpec spec) throws EngineException {
        int rank = type.getInt(RANK_OFFSET) & 0x7F;
        boolean same = rank == spec.rank();
        for (int axis = 0; same && axis < rank; axis++) {
            int size = type.getInt(DIMENSIONS_OFFSET + 4L * axis);
            same = size == spec.dimension(axis) || size < 1 || spec.dimension(axis) < 0;
            if (size < 1) {
                type.setInt(DIMENSIONS_OFFSET + 4L * axis, 1);
            }
        }
        if (!same) {
            throw new EngineException("The runtime describes the tensor '" + spec.name
                    + "' otherwise than the bundle. Does this test know the library's structures?");
        }
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
        if (variant.keepsState) { // the interface cannot reset variables, so the model is made anew
            release();
            compile();
        }
        for (int i = 0; i < inputs.length; i++) {
            ByteBuffer input = inputs[inputOrder[i]];
            lock(inputBuffers[i], LOCK_WRITE, input.capacity()).put((ByteBuffer) input.duplicate().rewind());
            call("LiteRtUnlockTensorBuffer", inputBuffers[i]);
        }
        call("LiteRtRunCompiledModel", compiled, 0L, (long) inputs.length, inputBuffers, (long) outputs.length,
                outputBuffers);
        for (int i = 0; i < outputs.length; i++) {
            ByteBuffer output = outputs[outputOrder[i]];
            output.rewind();
            output.put(lock(outputBuffers[i], LOCK_READ, output.capacity()));
            output.rewind();
            call("LiteRtUnlockTensorBuffer", outputBuffers[i]);
        }
    }

    private ByteBuffer lock(Pointer buffer, int mode, int bytes) throws EngineException {
        PointerByReference memory = new PointerByReference();
        call("LiteRtLockTensorBuffer", buffer, memory, mode);
        return memory.getValue().getByteBuffer(0, bytes);
    }

    /** Calls a function whose last argument receives an object. */
    private Pointer make(String function, Object... arguments) throws EngineException {
        PointerByReference made = new PointerByReference();
        call(function, with(arguments, made));
        return made.getValue();
    }

    /** Calls a function whose last argument receives a size. */
    private long number(String function, Object... arguments) throws EngineException {
        LongByReference number = new LongByReference();
        call(function, with(arguments, number));
        return number.getValue();
    }

    private static Object[] with(Object[] arguments, Object last) {
        Object[] all = Arrays.copyOf(arguments, arguments.length + 1);
        all[arguments.length] = last;
        return all;
    }

    private void call(String function, Object... arguments) throws EngineException {
        int status = library.getFunction(function).invokeInt(arguments);
        if (status != 0) {
            throw new EngineException("The runtime cannot run '" + variant.name + "': " + function + " returned "
                    + status + ".");
        }
    }

    @Override
    public String requestedAccelerator() {
        return accelerator;
    }

    @Override
    public String actualAccelerator() {
        return accelerator;
    }

    @Override
    public String accelerationDetail() {
        return "cpu".equals(accelerator) ? "XNNPACK" : "the runtime's own kernels";
    }

    @Override
    public int threads() {
        return threads;
    }

    @Override
    public String runtimeVersion() {
        return version;
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            release();
            destroy("LiteRtDestroyModel", model);
            destroy("LiteRtDestroyEnvironment", environment);
            file.rewind();
        }
    }

    private void release() {
        for (Pointer buffer : inputBuffers) {
            destroy("LiteRtDestroyTensorBuffer", buffer);
        }
        for (Pointer buffer : outputBuffers) {
            destroy("LiteRtDestroyTensorBuffer", buffer);
        }
        destroy("LiteRtDestroyCompiledModel", compiled);
    }

    private void destroy(String function, Pointer object) {
        library.getFunction(function).invoke(new Object[] {object});
    }
}
