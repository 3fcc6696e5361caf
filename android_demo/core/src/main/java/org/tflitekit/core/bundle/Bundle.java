package org.tflitekit.core.bundle;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;

/** Everything that an app needs to know about a model: {@code bundle.json} and the files that it names. */
public final class Bundle {
    /** The newest schema of {@code bundle.json} that this code reads. */
    public static final int SCHEMA_VERSION = 2;

    private static final String DESCRIPTION = "bundle.json";
    private static final long LARGEST_FILE = 1L << 28;

    public final String name;
    /** "image" or "tensors". */
    public final String inputKind;
    /** Name of the variant that an app starts with. */
    public final String recommended;
    /** Name of the variant that drops are measured against, which need not be here; null where there is none. */
    public final String baseline;
    public final Preprocessing preprocessing;
    /** What recordings must be; null where the model takes no sounds. */
    public final Sound sound;
    /** In the order of the primary output; null where there are none; not modifiable. */
    public final List<String> labels;
    /** "probabilities" or "values". */
    public final String outputMeaning;
    /** "classification", "binary" (one value for two classes), "detection", "segmentation", "keypoints" or "other". */
    public final String task;
    /** How outputs become boxes, masks or poses; null where they do not. */
    public final JsonNode reader;
    /** Not modifiable, at least one. */
    public final List<Variant> variants;
    /** Not modifiable. */
    public final List<GoldenSample> golden;
    /** How many best classes golden results keep. */
    public final int goldenTopK;
    private final BundleFiles files;

    Bundle(BundleFiles files, String name, String inputKind, String recommended, String baseline,
            Preprocessing preprocessing, Sound sound, List<String> labels, String outputMeaning, String task,
            JsonNode reader, List<Variant> variants, List<GoldenSample> golden, int goldenTopK) {
        this.files = files;
        this.name = name;
        this.inputKind = inputKind;
        this.recommended = recommended;
        this.baseline = baseline;
        this.preprocessing = preprocessing;
        this.sound = sound;
        this.labels = labels;
        this.outputMeaning = outputMeaning;
        this.task = task;
        this.reader = reader;
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
        byte[] text;
        try (InputStream stream = files.open(DESCRIPTION)) {
            text = Streams.readAll(stream, LARGEST_FILE);
        } catch (IOException error) {
            throw new BundleException("There is no readable bundle in " + files.describe() + ": " + reason(error)
                    + ". Give a folder that 'tflitekit bundle' has written.", error);
        }
        return BundleParser.parse(new String(text, StandardCharsets.UTF_8), files);
    }

    /** Returns whether the model takes images. */
    public boolean takesImages() {
        return "image".equals(inputKind);
    }

    /** Returns whether outputs rank classes. */
    public boolean classifies() {
        return "classification".equals(task) || isBinary();
    }

    /** Returns whether outputs become boxes, masks or poses. */
    public boolean decodes() {
        return reader != null;
    }

    /** Returns whether one value decides between two classes. */
    public boolean isBinary() {
        return "binary".equals(task);
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
        StringBuilder known = new StringBuilder();
        for (Variant variant : variants) {
            if (variant.name.equals(name)) {
                return variant;
            }
            known.append(known.length() > 0 ? ", " : "").append(variant.name);
        }
        throw new BundleException("The bundle '" + this.name + "' has no variant '" + name + "'. It has: " + known
                + ".");
    }

    /**
     * Reads a whole file and checks its hash.
     *
     * @throws BundleException it is missing, or it is not the file that was bundled
     */
    public byte[] bytes(FileEntry entry) throws BundleException {
        byte[] content;
        try (InputStream stream = files.open(entry.file)) {
            content = Streams.readAll(stream, LARGEST_FILE);
        } catch (IOException error) {
            throw unreadable(entry, error);
        }
        check(entry, sha256().digest(content));
        return content;
    }

    /**
     * Returns a variant's file for the interpreter: a direct buffer in native order, its hash checked.
     *
     * @throws BundleException it is missing, or it is not the file that was bundled
     */
    public ByteBuffer model(Variant variant) throws BundleException {
        if (variant.sizeBytes > Integer.MAX_VALUE) {
            throw new BundleException("The model '" + variant.file.file + "' has " + variant.sizeBytes
                    + " bytes; files above 2 GB cannot be loaded. Choose a smaller variant.");
        }
        ByteBuffer model = ByteBuffer.allocateDirect((int) variant.sizeBytes).order(ByteOrder.nativeOrder());
        MessageDigest digest = sha256();
        try (InputStream stream = files.open(variant.file.file)) {
            byte[] piece = new byte[1 << 16];
            for (int read = stream.read(piece); read >= 0; read = stream.read(piece)) {
                if (read > model.remaining()) {
                    throw new IOException("it has more than the " + variant.sizeBytes + " bytes that were bundled");
                }
                digest.update(piece, 0, read);
                model.put(piece, 0, read);
            }
        } catch (IOException error) {
            throw unreadable(variant.file, error);
        }
        check(variant.file, digest.digest());
        model.rewind();
        return model;
    }

    private BundleException unreadable(FileEntry entry, IOException error) {
        return new BundleException("The file '" + entry.file + "' of the bundle '" + name + "' cannot be read: "
                + reason(error) + ". Copy the whole bundle again.", error);
    }

    private void check(FileEntry entry, byte[] digest) throws BundleException {
        StringBuilder actual = new StringBuilder();
        for (byte part : digest) {
            actual.append(Character.forDigit(part >> 4 & 15, 16)).append(Character.forDigit(part & 15, 16));
        }
        if (!entry.sha256.contentEquals(actual)) {
            throw new BundleException("The file '" + entry.file + "' is not the one that was bundled: its sha256 is "
                    + actual + ", bundle.json says " + entry.sha256
                    + ". Copy the whole bundle again, or make it again with 'tflitekit bundle'.");
        }
    }

    private static String reason(IOException error) {
        return error.getMessage() != null ? error.getMessage() : error.getClass().getSimpleName();
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException("Every Java platform has SHA-256.", error);
        }
    }
}
