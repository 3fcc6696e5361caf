package org.tflitekit.core.bundle;

import java.util.List;

/** A sample with everything that the host computed of it. */
public final class GoldenSample {
    public final String name;
    /** The sample's name in its data set. */
    public final String key;
    /** Index of the true class; -1 where it has none. */
    public final int label;
    /** The sample's own file; null for tensors. */
    public final FileEntry original;
    /** The same as a PNG file, decoded by the host; null for tensors. */
    public final FileEntry image;
    /** uint8 in the model's layout, before normalization; null for tensors. */
    public final FileEntry pixels;
    /** Real values of the inputs, in the order of the first variant; not modifiable. */
    public final List<FileEntry> inputs;
    /** One a variant; not modifiable. */
    public final List<GoldenResult> results;

    GoldenSample(String name, String key, int label, FileEntry original, FileEntry image, FileEntry pixels,
            List<FileEntry> inputs, List<GoldenResult> results) {
        this.name = name;
        this.key = key;
        this.label = label;
        this.original = original;
        this.image = image;
        this.pixels = pixels;
        this.inputs = inputs;
        this.results = results;
    }

    /**
     * Returns what the host computed with one variant.
     *
     * @throws BundleException there is no result of that variant
     */
    public GoldenResult result(Variant variant) throws BundleException {
        for (GoldenResult result : results) {
            if (result.variant.equals(variant.name)) {
                return result;
            }
        }
        throw new BundleException("The golden sample '" + name + "' has no result of the variant '" + variant.name
                + "'. Make the bundle again with 'tflitekit bundle'.");
    }
}
