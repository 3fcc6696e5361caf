package org.tflitekit.core.bundle;

import java.util.List;
import java.util.Map;

/** One {@code .tflite} file of a bundle. */
public final class Variant {
    public final String name;
    /** The way it was compressed, for example "int8"; null where it is not known. */
    public final String scheme;
    public final FileEntry file;
    /** Hash of the file that the host's report measured; the bundle's has metadata in it besides. */
    public final String measuredSha256;
    public final long sizeBytes;
    /** The oldest runtime that has all of its operators, for example "2.3.0"; null where it is not known. */
    public final String minRuntimeVersion;
    public final int operators;
    /** Share of operators that compute in integers, 0 to 1; NaN where it is not known. */
    public final double integerOpFraction;
    /** Whether operators keep values between inferences. */
    public final boolean keepsState;
    /** In the order of the interpreter; not modifiable. */
    public final List<TensorSpec> inputs;
    /** In the order of the interpreter; not modifiable. */
    public final List<TensorSpec> outputs;
    /** Index of the output that labels belong to. */
    public final int primaryOutput;
    /** As the host measured it; null where it was not measured. */
    public final Accuracy accuracy;
    /** What the variant loses against the baseline; null where it was not measured. */
    public final Accuracy accuracyDrop;
    /** For each output, by accelerator: "cpu", "cpu_builtin", "gpu", "nnapi"; not modifiable. */
    public final List<Map<String, Tolerance>> tolerances;

    Variant(String name, String scheme, FileEntry file, String measuredSha256, long sizeBytes,
            String minRuntimeVersion, int operators, double integerOpFraction, boolean keepsState,
            List<TensorSpec> inputs, List<TensorSpec> outputs, int primaryOutput, Accuracy accuracy,
            Accuracy accuracyDrop, List<Map<String, Tolerance>> tolerances) {
        this.name = name;
        this.scheme = scheme;
        this.file = file;
        this.measuredSha256 = measuredSha256;
        this.sizeBytes = sizeBytes;
        this.minRuntimeVersion = minRuntimeVersion;
        this.operators = operators;
        this.integerOpFraction = integerOpFraction;
        this.keepsState = keepsState;
        this.inputs = inputs;
        this.outputs = outputs;
        this.primaryOutput = primaryOutput;
        this.accuracy = accuracy;
        this.accuracyDrop = accuracyDrop;
        this.tolerances = tolerances;
    }

    /** Returns the output that labels belong to. */
    public TensorSpec primary() {
        return outputs.get(primaryOutput);
    }

    /**
     * Returns the tolerance of an output for what really runs the model; one that judges nothing where the bundle
     * states none.
     */
    public Tolerance tolerance(int output, String accelerator) {
        Tolerance stated = tolerances.get(output).get(accelerator);
        return stated != null ? stated
                : new Tolerance(Double.NaN, "real", "the bundle states no bound for '" + accelerator + "'");
    }
}
