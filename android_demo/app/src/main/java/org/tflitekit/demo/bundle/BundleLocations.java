package org.tflitekit.demo.bundle;

import android.content.Context;
import android.content.res.AssetManager;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.BundleFiles;
import org.tflitekit.core.bundle.BundleFolder;

/** Where bundles lie: one in the assets, and those that were pushed into the app's own storage. */
public final class BundleLocations {
    private static final String ASSETS = "bundle/";

    private final Context context;

    public BundleLocations(Context context) {
        this.context = context.getApplicationContext() == null ? context : context.getApplicationContext();
    }

    /** Returns the bundle that the app was built with. */
    public BundleFiles inAssets() {
        return new AssetFiles(context.getAssets());
    }

    /**
     * Returns a bundle of the app's own storage.
     *
     * @param name of a folder below {@code bundles}: letters, digits, dots, dashes and underscores
     * @throws BundleException it is no such name, or there is no such folder
     */
    public BundleFiles inStorage(String name) throws BundleException {
        if (!name.matches("[A-Za-z0-9_-][A-Za-z0-9._-]*")) {
            throw new BundleException("'" + name + "' is no name of a bundle. Give the name of one folder, without a path.");
        }
        File parent = context.getExternalFilesDir("bundles");
        if (parent == null) {
            throw new BundleException("The app's storage is not there at the moment, so the bundle '" + name
                    + "' cannot be read.");
        }
        File folder = new File(parent, name);
        if (!folder.isDirectory()) {
            throw new BundleException("There is no bundle '" + name + "' on this device. Push its folder to " + folder
                    + " with adb.");
        }
        return new BundleFolder(folder);
    }

    private static final class AssetFiles implements BundleFiles {
        private final AssetManager assets;

        AssetFiles(AssetManager assets) {
            this.assets = assets;
        }

        @Override
        public InputStream open(String path) throws IOException {
            return assets.open(ASSETS + path);
        }

        @Override
        public String describe() {
            return "the app's own bundle";
        }
    }
}
