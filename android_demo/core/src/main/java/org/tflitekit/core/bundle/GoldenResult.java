package org.tflitekit.core.bundle;

import java.util.List;

/** What one variant's interpreter got and gave on the host. */
public final class GoldenResult {
    public final String variant;
    /** Stored bytes, in the order of the interpreter; not modifiable. */
    public final List<FileEntry> inputs;
    /** Stored bytes, in the order of the interpreter; not modifiable. */
    public final List<FileEntry> outputs;
    /** What the host's reader made of the outputs, as {@code bundle.json} has it; null where they are not decoded. */
    public final JsonNode decoded;
    /** The class of each pixel of the picture; null where outputs give no mask. */
    public final FileEntry mask;
    private final int[] topIndices;
    private final float[] topScores;

    GoldenResult(String variant, List<FileEntry> inputs, List<FileEntry> outputs, int[] topIndices,
            float[] topScores, JsonNode decoded, FileEntry mask) {
        this.variant = variant;
        this.inputs = inputs;
        this.outputs = outputs;
        this.topIndices = topIndices;
        this.topScores = topScores;
        this.decoded = decoded;
        this.mask = mask;
    }

    /** Returns the number of best classes that are kept; 0 where the model does not classify. */
    public int topCount() {
        return topIndices.length;
    }

    /** Returns the index of a class, the best at position 0. */
    public int topIndex(int position) {
        return topIndices[position];
    }

    /** Returns the real value of a class, the best at position 0. */
    public float topScore(int position) {
        return topScores[position];
    }
}
