package org.tflitekit.demo;

import static org.junit.Assert.assertNotNull;

import android.content.Context;
import android.view.TextureView;
import java.io.File;
import java.util.List;
import org.robolectric.RuntimeEnvironment;
import org.tensorflow.lite.DesktopRuntime;
import org.tflitekit.core.benchmark.DeviceProbe;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.BundleFiles;
import org.tflitekit.core.bundle.BundleFolder;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.core.inference.Engine;
import org.tflitekit.core.inference.EngineException;
import org.tflitekit.core.inference.EngineFactory;
import org.tflitekit.core.inference.LiteRtCEngine;
import org.tflitekit.core.verify.ImageDecoder;
import org.tflitekit.demo.camera.FrameListener;
import org.tflitekit.demo.camera.FrameSource;
import org.tflitekit.demo.device.Services;
import org.tflitekit.demo.image.PhotoLoader;

/**
 * The app's own services with two exchanges: the CPU is the host's runtime, which is as new as the bundle wants, and the
 * camera gives the frames that a test gives it. GPU and NNAPI stay those of the app.
 */
final class HostServices implements Services {
    /** A camera in the hands of a test. */
    static final class TestCamera implements FrameSource {
        FrameListener listener;
        boolean front;
        boolean hasBack = true;
        boolean hasFront = true;
        int starts;

        @Override
        public void start(TextureView preview, boolean front, FrameListener listener) {
            if (this.listener == null) {
                starts++;
            }
            this.front = front;
            this.listener = listener;
        }

        @Override
        public void stop() {
            listener = null;
        }

        @Override
        public boolean hasFront() {
            return hasFront;
        }

        @Override
        public boolean hasBack() {
            return hasBack;
        }
    }

    private final class Engines implements EngineFactory {
        private final EngineFactory host;

        Engines() {
            String library = System.getProperty("tflitekit.litert.library");
            assertNotNull("Give the host's runtime with -Dtflitekit.litert.library=FILE.", library);
            host = new LiteRtCEngine.Factory(library, System.getProperty("tflitekit.litert.version"));
        }

        @Override
        public Engine open(Bundle bundle, Variant variant, String accelerator, int threads)
                throws EngineException, BundleException {
            return (host.accelerators().contains(accelerator) ? host : own.engines())
                    .open(bundle, variant, accelerator, threads);
        }

        @Override
        public List<String> accelerators() {
            return own.engines().accelerators();
        }

        @Override
        public String runtimeVersion() {
            return host.runtimeVersion();
        }
    }

    private final Services own;
    private final EngineFactory engines;
    final TestCamera camera = new TestCamera();
    /** The folder that takes the place of the assets' bundle; null: the assets. */
    File bundle;

    private HostServices(Services own) {
        this.own = own;
        engines = new Engines();
    }

    /** Puts them into the application under test. */
    static HostServices install() {
        DesktopRuntime.load();
        DemoApplication application = (DemoApplication) RuntimeEnvironment.getApplication();
        HostServices services = new HostServices(application.services());
        application.setServices(services);
        return services;
    }

    @Override
    public EngineFactory engines() {
        return engines;
    }

    @Override
    public BundleFiles bundleFiles(String name) throws BundleException {
        return name == null && bundle != null ? new BundleFolder(bundle) : own.bundleFiles(name);
    }

    @Override
    public PhotoLoader photos() {
        return own.photos();
    }

    @Override
    public ImageDecoder decoder() {
        return own.decoder();
    }

    @Override
    public DeviceProbe device() {
        return own.device();
    }

    @Override
    public FrameSource camera(Context context) {
        return camera;
    }
}
