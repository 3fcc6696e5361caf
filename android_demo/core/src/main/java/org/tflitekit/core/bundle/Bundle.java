package org.tflitekit.core.bundle;

import java.nio.ByteBuffer;
import java.util.List;

/** Everything that an app needs to know about a model: {@code bundle.json} and the files that it names. */
public final class Bundle {
    /** The newest schema of {@code bundle.json} that this code reads. */
    public static final int SCHEMA_VERSION = 1;

    public final String name;
    /** "image" or "tensors". */
    public final String inputKind;
    /** Name of the variant that an app starts with. */
    public final String recommended;
    /** Name of the variant that others are compared with; null where there is none. */
    public final String baseline;
    public final Preprocessing preprocessing;
    /** In the order of the primary output; null where there are none; not modifiable. */
    public final List<String> labels;
    /** "probabilities" or "values". */
    public final String outputMeaning;
    /** "classification" or "other". */
    public final String task;
    /** Not modifiable, at least one. */
    public final List<Variant> variants;
    /** Not modifiable. */
    public final List<GoldenSample> golden;
    /** How many best classes golden results keep. */
    public final int goldenTopK;
    private final BundleFiles files;

    Bundle(BundleFiles files, String name, String inputKind, String recommended, String baseline,
            Preprocessing preprocessing, List<String> labels, String outputMeaning, String task,
            List<Variant> variants, List<GoldenSample> golden, int goldenTopK) {
        this.files = files;
        this.name = name;
        this.inputKind = inputKind;
        this.recommended = recommended;
        this.baseline = baseline;
        this.preprocessing = preprocessing;
        this.labels = labels;
        this.outputMeaning = outputMeaning;
        this.task = task;
        this.variants = variants;
        this.golden = golden;
        this.goldenTopK = goldenTopK;
    }

    /**
     * Reads and checks {@code bundle.json}. Hashes of other files are checked when they are read.
     *
     * @throws BundleException the file is missing, malformed, newer than this code, or contradicts itself
     */
    public static Bundle read(BundleFiles files) throws BundleException {
        throw new BundleException("not yet");
    }

    /** Returns whether the model takes images. */
    public boolean takesImages() {
        return "image".equals(inputKind);
    }

    /** Returns whether outputs rank classes. */
    public boolean classifies() {
        return "classification".equals(task);
    }

    /** Returns whether the primary output holds probabilities. */
    public boolean givesProbabilities() {
        return "probabilities".equals(outputMeaning);
    }

    /**
     * Returns a variant by name.
     *
     * @throws BundleException there is none of that name; the message lists those that there are
     */
    public Variant variant(String name) throws BundleException {
        throw new BundleException("not yet");
    }

    /**
     * Reads a whole file and checks its hash.
     *
     * @throws BundleException it is missing, or it is not the file that was bundled
     */
    public byte[] bytes(FileEntry entry) throws BundleException {
        throw new BundleException("not yet");
    }

    /**
     * Returns a variant's file for the interpreter: a direct buffer in native order, its hash checked.
     *
     * @throws BundleException it is missing, or it is not the file that was bundled
     */
    public ByteBuffer model(Variant variant) throws BundleException {
        throw new BundleException("not yet");
    }
}
