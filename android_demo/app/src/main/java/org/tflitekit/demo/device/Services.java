package org.tflitekit.demo.device;

import android.content.Context;
import org.tflitekit.core.benchmark.DeviceProbe;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.BundleFiles;
import org.tflitekit.core.inference.EngineFactory;
import org.tflitekit.core.verify.ImageDecoder;
import org.tflitekit.demo.camera.FrameSource;
import org.tflitekit.demo.image.PhotoLoader;

/** What the screens need of the device. Tests give their own. */
public interface Services {
    EngineFactory engines();

    /**
     * Returns the files of a bundle.
     *
     * @param name of a folder in the app's own storage, below {@code bundles}; null for the bundle in the assets
     * @throws BundleException there is no such folder
     */
    BundleFiles bundleFiles(String name) throws BundleException;

    PhotoLoader photos();

    /** Returns what decodes golden images: pixels as they are stored, neither scaled nor turned. */
    ImageDecoder decoder();

    DeviceProbe device();

    /** Returns a camera; a new one each time. */
    FrameSource camera(Context context);
}
