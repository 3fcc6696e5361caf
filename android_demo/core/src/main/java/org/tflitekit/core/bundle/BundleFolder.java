package org.tflitekit.core.bundle;

import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;

/** A bundle in a folder. Files outside of the folder are refused, also behind symbolic links. */
public final class BundleFolder implements BundleFiles {
    private final File folder;

    public BundleFolder(File folder) {
        this.folder = folder;
    }

    @Override
    public InputStream open(String path) throws IOException {
        File root = folder.getCanonicalFile();
        File file = new File(root, path).getCanonicalFile();
        if (!file.getPath().startsWith(root.getPath() + File.separator)) {
            throw new IOException("'" + path + "' lies outside of " + folder);
        }
        return new FileInputStream(file);
    }

    @Override
    public String describe() {
        return folder.getPath();
    }
}
