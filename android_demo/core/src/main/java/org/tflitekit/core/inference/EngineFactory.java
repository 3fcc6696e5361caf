package org.tflitekit.core.inference;

import java.util.List;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.Variant;

/** Loads variants. */
public interface EngineFactory {
    /**
     * Loads a variant. Where the accelerator cannot run it, the engine says so by its actual accelerator.
     *
     * @param accelerator one of {@link #accelerators}
     * @throws EngineException the runtime refuses the model
     * @throws BundleException the file is not the one that was bundled, or needs a newer runtime
     */
    Engine open(Bundle bundle, Variant variant, String accelerator, int threads)
            throws EngineException, BundleException;

    /** Returns what can be asked for on this device: "cpu", "cpu_builtin", "gpu", "nnapi". */
    List<String> accelerators();

    /** Returns the runtime's version in TensorFlow's numbering, which minimum versions have: for example "2.16.1". */
    String runtimeVersion();
}
