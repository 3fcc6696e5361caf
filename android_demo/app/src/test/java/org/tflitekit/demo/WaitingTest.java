package org.tflitekit.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.content.Context;
import android.content.Intent;
import android.net.Uri;
import android.view.TextureView;
import android.widget.Spinner;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.tensorflow.lite.DesktopRuntime;
import org.tflitekit.core.benchmark.DeviceProbe;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.BundleFiles;
import org.tflitekit.core.image.ArgbImage;
import org.tflitekit.core.image.PixelSource;
import org.tflitekit.core.inference.EngineFactory;
import org.tflitekit.core.verify.ImageDecoder;
import org.tflitekit.demo.camera.FrameListener;
import org.tflitekit.demo.camera.FrameSource;
import org.tflitekit.demo.device.Services;
import org.tflitekit.demo.image.PhotoLoader;

/** Screens while something takes long, goes on elsewhere, or comes back. */
@RunWith(RobolectricTestRunner.class)
public class WaitingTest {
    private static final Uri PHOTO = Uri.parse("content://photos/1");
    private DemoApplication application;
    private Services device;

    @Before
    public void open() {
        DesktopRuntime.load();
        application = (DemoApplication) RuntimeEnvironment.getApplication();
        device = application.services();
    }

    private static Intent run(String id) {
        return new Intent(RuntimeEnvironment.getApplication(), BenchActivity.class).putExtra("run_id", id)
                .putExtra("variants", "float32").putExtra("protocol", "benchmark-model");
    }

    /** Chooses the variant that the JVM's old runtime can run, as a person does. */
    private static void loadFloat32(Screen<ClassifyActivity> screen) {
        Spinner variants = (Spinner) screen.find(R.id.variant);
        screen.await("the variants", () -> variants.getCount() > 0);
        for (int i = 0; i < variants.getCount(); i++) {
            if (variants.getItemAtPosition(i).equals("float32")) {
                variants.setSelection(i);
            }
        }
        screen.await("a loaded model", () -> screen.text(R.id.runs_on).contains("XNNPACK"));
    }

    @Test
    public void aBenchmarkEndsWhenItsScreenIsLeft() throws Exception {
        File folder = new File(application.getExternalFilesDir("runs"), "left");
        try (Screen<BenchActivity> screen = Screen.open(BenchActivity.class, run("left"))) {
            screen.awaitText(application.getString(R.string.cancel));
            screen.controller().pause().stop();
            screen.await("the mark", () -> new File(folder, "failed").exists());
            String reason = new String(Files.readAllBytes(new File(folder, "failed").toPath()), StandardCharsets.UTF_8);
            assertTrue(reason, reason.contains("no longer on the screen"));
            assertFalse(new File(folder, "report.json").exists());
        }
    }

    /** A slow image keeps the background busy; the main thread still draws. */
    @Test
    public void theMainThreadDoesNotWaitForTheModel() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch goOn = new CountDownLatch(1);
        AtomicBoolean drawnMeanwhile = new AtomicBoolean();
        PixelSource slow = new PixelSource() {
            @Override
            public int width() {
                return 8;
            }

            @Override
            public int height() {
                return 8;
            }

            @Override
            public void readRows(int y, int rows, int[] argb) {
                begun.countDown();
                try {
                    drawnMeanwhile.set(goOn.await(120, TimeUnit.SECONDS));
                } catch (InterruptedException error) {
                    throw new AssertionError(error);
                }
            }
        };
        Cameras cameras = new Cameras();
        application.setServices(cameras);
        shadowOf(application).grantPermissions(android.Manifest.permission.CAMERA);
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class)) {
            loadFloat32(screen);
            screen.click(R.id.source_camera);
            assertNotNull(cameras.listener);
            Thread frames = new Thread(() -> cameras.listener.onFrame(slow));
            frames.start();
            assertTrue(begun.await(240, TimeUnit.SECONDS));
            try {
                screen.click(R.id.source_draw);
                assertTrue(screen.find(R.id.drawing).isShown());
            } finally {
                goOn.countDown();
                frames.join();
            }
            assertTrue("the main thread waited for the model", drawnMeanwhile.get());
        }
    }

    @Test
    public void aCameraThatComesBackIsNoProblemAnyMore() {
        Cameras cameras = new Cameras();
        application.setServices(cameras);
        shadowOf(application).grantPermissions(android.Manifest.permission.CAMERA);
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class)) {
            loadFloat32(screen);
            screen.click(R.id.source_camera);
            cameras.listener.onCameraError("Another app uses the camera.");
            screen.awaitText("Another app uses the camera.");
            cameras.listener.onFrame(new ArgbImage(8, 8, new int[64]));
            screen.await("no problem", () -> !screen.shows("Another app uses the camera."));
            screen.await("a result", () -> screen.find(R.id.timings).isShown());
        }
    }

    @Test
    public void anImageThatAnotherAppSharesIsClassified() throws Exception {
        Bundle bundle = Bundle.read(device.bundleFiles(null));
        byte[] image = bundle.bytes(bundle.golden.get(0).image);
        shadowOf(application.getContentResolver())
                .registerInputStreamSupplier(PHOTO, () -> new ByteArrayInputStream(image));
        Intent intent = new Intent(Intent.ACTION_SEND).setClass(application, ClassifyActivity.class).setType("image/png")
                .putExtra(Intent.EXTRA_STREAM, PHOTO);
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class, intent)) {
            screen.awaitText("needs the runtime"); // the recommended int8
            loadFloat32(screen);
            screen.await("a result", () -> screen.find(R.id.timings).isShown());
            assertTrue(screen.find(R.id.photo).isShown());
            assertEquals(application.getString(R.string.probabilities), screen.text(R.id.scores_title));
        }
    }

    /** The device with a camera that the test plays. */
    private final class Cameras implements Services, FrameSource {
        volatile FrameListener listener;

        @Override
        public EngineFactory engines() {
            return device.engines();
        }

        @Override
        public BundleFiles bundleFiles(String name) throws BundleException {
            return device.bundleFiles(name);
        }

        @Override
        public PhotoLoader photos() {
            return device.photos();
        }

        @Override
        public ImageDecoder decoder() {
            return device.decoder();
        }

        @Override
        public DeviceProbe device() {
            return device.device();
        }

        @Override
        public FrameSource camera(Context context) {
            return this;
        }

        @Override
        public void start(TextureView preview, boolean front, FrameListener newListener) {
            listener = newListener;
        }

        @Override
        public void stop() {
            // the listener stays, as a frame that is under way does
        }

        @Override
        public boolean hasFront() {
            return false;
        }

        @Override
        public boolean hasBack() {
            return true;
        }
    }
}
