package org.tflitekit.core.bundle;

/** One file of a bundle: its name, its hash and, for arrays and images, what it holds. */
public final class FileEntry {
    /** Path relative to the bundle. */
    public final String file;
    /** Hash of the whole file, 64 lower-case hexadecimal digits. */
    public final String sha256;
    /** NumPy's name of the elements' type; null where the file is no array. */
    public final String dtype;
    /** Width in pixels; 0 where the file is no image. */
    public final int width;
    /** Height in pixels; 0 where the file is no image. */
    public final int height;
    private final int[] shape;

    FileEntry(String file, String sha256, String dtype, int[] shape, int width, int height) {
        this.file = file;
        this.sha256 = sha256;
        this.dtype = dtype;
        this.shape = shape;
        this.width = width;
        this.height = height;
    }

    /** Returns a copy of the array's shape; null where the file is no array. */
    public int[] shape() {
        return shape == null ? null : shape.clone();
    }
}
