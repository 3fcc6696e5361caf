package org.tflitekit.demo;

import android.content.Context;
import org.tflitekit.core.benchmark.DeviceProbe;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.BundleFiles;
import org.tflitekit.core.inference.EngineFactory;
import org.tflitekit.core.verify.ImageDecoder;
import org.tflitekit.demo.bundle.BundleLocations;
import org.tflitekit.demo.camera.CameraFrames;
import org.tflitekit.demo.camera.FrameSource;
import org.tflitekit.demo.device.AndroidDeviceProbe;
import org.tflitekit.demo.device.Services;
import org.tflitekit.demo.engine.LiteRtEngineFactory;
import org.tflitekit.demo.image.BitmapDecoder;
import org.tflitekit.demo.image.PhotoLoader;

/** The real device. */
final class DeviceServices implements Services {
    private final BundleLocations bundles;
    private final EngineFactory engines = new LiteRtEngineFactory();
    private final PhotoLoader photos;
    private final ImageDecoder decoder = new BitmapDecoder();
    private final DeviceProbe device;

    DeviceServices(Context context) {
        bundles = new BundleLocations(context);
        photos = new PhotoLoader(context.getContentResolver());
        device = new AndroidDeviceProbe(context);
    }

    @Override
    public EngineFactory engines() {
        return engines;
    }

    @Override
    public BundleFiles bundleFiles(String name) throws BundleException {
        return name == null ? bundles.inAssets() : bundles.inStorage(name);
    }

    @Override
    public PhotoLoader photos() {
        return photos;
    }

    @Override
    public ImageDecoder decoder() {
        return decoder;
    }

    @Override
    public DeviceProbe device() {
        return device;
    }

    @Override
    public FrameSource camera(Context context) {
        return new CameraFrames(context);
    }
}
