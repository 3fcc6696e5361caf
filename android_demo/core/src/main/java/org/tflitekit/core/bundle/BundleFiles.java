package org.tflitekit.core.bundle;

import java.io.IOException;
import java.io.InputStream;

/** Where a bundle's files lie: the assets of an APK, a folder, a class path. */
public interface BundleFiles {
    /**
     * Opens one file of the bundle.
     *
     * @param path relative to the bundle, with forward slashes; never with {@code ..}
     * @throws IOException the file does not exist or cannot be read
     */
    InputStream open(String path) throws IOException;

    /** Returns for people where the bundle lies, for example a folder's path. */
    String describe();
}
