package org.tflitekit.demo.engine;

import android.annotation.TargetApi;
import android.os.Build;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.tensorflow.lite.Delegate;
import org.tensorflow.lite.Interpreter;
import org.tensorflow.lite.TensorFlowLite;
import org.tensorflow.lite.gpu.GpuDelegate;
import org.tensorflow.lite.nnapi.NnApiDelegate;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.RuntimeVersion;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.core.inference.Engine;
import org.tflitekit.core.inference.EngineException;
import org.tflitekit.core.inference.EngineFactory;

/**
 * Loads variants with the TensorFlow Lite runtime of the app. What was asked for runs, or the exception says why not:
 * nothing falls back to the CPU by itself.
 */
public final class LiteRtEngineFactory implements EngineFactory {
    public static final String CPU = "cpu";
    public static final String CPU_BUILTIN = "cpu_builtin";
    public static final String GPU = "gpu";
    public static final String NNAPI = "nnapi";

    @Override
    public Engine open(Bundle bundle, Variant variant, String accelerator, int threads)
            throws EngineException, BundleException {
        requireRuntime();
        RuntimeVersion.require(variant, runtimeVersion());
        ByteBuffer model = bundle.model(variant);
        Delegate delegate = delegate(accelerator);
        Interpreter interpreter = null;
        try {
            Interpreter.Options options = new Interpreter.Options();
            options.setNumThreads(threads);
            options.setUseXNNPACK(CPU.equals(accelerator));
            if (delegate != null) {
                options.addDelegate(delegate);
            }
            interpreter = new Interpreter(model, options);
            LiteRtEngine engine =
                    new LiteRtEngine(interpreter, delegate, model, variant, accelerator, threads, runtimeVersion());
            interpreter = null;
            delegate = null;
            return engine;
        } catch (RuntimeException | LinkageError error) {
            throw refused(variant, accelerator, error);
        } finally {
            if (interpreter != null) {
                interpreter.close();
            }
            close(delegate);
        }
    }

    @Override
    public List<String> accelerators() {
        List<String> names = new ArrayList<String>();
        Collections.addAll(names, CPU, CPU_BUILTIN, GPU);
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.O_MR1) {
            names.add(NNAPI);
        }
        return names;
    }

    @Override
    public String runtimeVersion() {
        try {
            return TensorFlowLite.runtimeVersion();
        } catch (LinkageError | RuntimeException error) {
            return RuntimeVersion.NONE;
        }
    }

    private static void requireRuntime() throws EngineException {
        try {
            TensorFlowLite.init();
        } catch (LinkageError | RuntimeException error) {
            throw new EngineException("The TensorFlow Lite library cannot be loaded on this device (" + words(error)
                    + "). Install an APK that has it for this processor.", error);
        }
    }

    private static Delegate delegate(String accelerator) throws EngineException {
        if (GPU.equals(accelerator)) {
            return gpu();
        }
        if (NNAPI.equals(accelerator)) {
            if (Build.VERSION.SDK_INT < Build.VERSION_CODES.O_MR1) {
                throw new EngineException("NNAPI needs Android 8.1 or newer. Choose the CPU.");
            }
            return nnapi();
        }
        if (!CPU.equals(accelerator) && !CPU_BUILTIN.equals(accelerator)) {
            throw new EngineException("There is no accelerator '" + accelerator + "'. Choose cpu, cpu_builtin, gpu or nnapi.");
        }
        return null;
    }

    private static Delegate gpu() throws EngineException {
        try {
            return new GpuDelegate();
        } catch (LinkageError error) {
            throw new EngineException("This app was built without GPU support for this device. Choose the CPU.", error);
        } catch (RuntimeException error) {
            throw new EngineException("The GPU cannot be used (" + words(error) + "). Choose the CPU.", error);
        }
    }

    @TargetApi(27)
    private static Delegate nnapi() throws EngineException {
        try {
            return new NnApiDelegate();
        } catch (LinkageError error) {
            throw new EngineException("This app was built without NNAPI support. Choose the CPU.", error);
        } catch (RuntimeException error) {
            throw new EngineException("NNAPI cannot be used (" + words(error) + "). Choose the CPU.", error);
        }
    }

    private static EngineException refused(Variant variant, String accelerator, Throwable error) {
        String where = CPU.equals(accelerator) || CPU_BUILTIN.equals(accelerator)
                ? "The runtime cannot load the variant '" + variant.name + "'"
                : "The " + name(accelerator) + " cannot run the variant '" + variant.name + "'";
        String what = CPU.equals(accelerator) ? " Choose another variant." : " Choose the CPU or another variant.";
        return new EngineException(where + " (" + words(error) + ")." + what, error);
    }

    /** Frees a delegate; none is given where it is null. */
    static void close(Delegate delegate) {
        if (delegate instanceof AutoCloseable) {
            try {
                ((AutoCloseable) delegate).close();
            } catch (RuntimeException error) {
                throw error;
            } catch (Exception error) {
                throw new IllegalStateException(error); // no delegate throws it
            }
        }
    }

    static String name(String accelerator) {
        if (GPU.equals(accelerator)) {
            return "GPU";
        }
        return NNAPI.equals(accelerator) ? "NNAPI" : "CPU";
    }

    static String words(Throwable error) {
        String message = error.getMessage();
        if (message == null || message.trim().isEmpty()) {
            return error.getClass().getSimpleName();
        }
        message = message.trim();
        return message.endsWith(".") ? message.substring(0, message.length() - 1) : message;
    }
}
