package org.tflitekit.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.Manifest;
import android.app.Activity;
import android.content.Intent;
import android.content.pm.PackageManager;
import android.net.Uri;
import android.os.SystemClock;
import android.provider.MediaStore;
import android.provider.Settings;
import android.view.MotionEvent;
import android.view.View;
import java.io.ByteArrayInputStream;
import java.util.Locale;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.GoldenResult;
import org.tflitekit.core.bundle.GoldenSample;
import org.tflitekit.core.image.PixelSource;

/** The classify screen with pictures from everywhere, on the host's runtime. */
@RunWith(RobolectricTestRunner.class)
public class ClassifyTest {
    private static final Uri PICTURE = Uri.parse("content://pictures/7");

    private HostServices services;
    private Bundle bundle;

    @Before
    public void open() throws Exception {
        services = HostServices.install();
        bundle = BundleCopy.read();
    }

    static void give(Uri uri, byte[] content) {
        shadowOf(RuntimeEnvironment.getApplication().getContentResolver())
                .registerInputStreamSupplier(uri, () -> new ByteArrayInputStream(content));
    }

    static Intent share(byte[] content) {
        give(PICTURE, content);
        return new Intent(RuntimeEnvironment.getApplication(), ClassifyActivity.class)
                .setAction(Intent.ACTION_SEND)
                .setType("image/png")
                .putExtra(Intent.EXTRA_STREAM, PICTURE);
    }

    /** Returns what the screen has to show for the best class of the host. */
    private static String best(GoldenResult result, Bundle bundle) {
        return bundle.labels.get(result.topIndex(0)) + "\n"
                + String.format(Locale.getDefault(), "%.1f\u00a0%%", 100 * result.topScore(0));
    }

    private void awaitBest(Screen<?> screen, GoldenSample sample, String variant) throws Exception {
        screen.awaitText("Probabilities\n" + best(sample.result(bundle.variant(variant)), bundle));
    }

    @Test
    public void everySharedGoldenImageGivesTheHostsAnswer() throws Exception {
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class)) {
            for (GoldenSample sample : bundle.golden) {
                screen.controller().newIntent(share(bundle.bytes(sample.original)));
                awaitBest(screen, sample, bundle.recommended);
                assertEquals("", screen.problem());
            }
            assertEquals("Requested: CPU. Runs on: CPU (XNNPACK).", screen.text(R.id.runs_on));
            assertTrue(screen.find(R.id.photo).isShown());
        }
    }

    @Test
    public void aSharedImageStartsTheApp() throws Exception {
        GoldenSample sample = bundle.golden.get(2);
        try (Screen<ClassifyActivity> screen =
                Screen.open(ClassifyActivity.class, share(bundle.bytes(sample.original)))) {
            awaitBest(screen, sample, bundle.recommended);
            for (String step : new String[] {"Preprocess", "Inference", "Postprocess"}) {
                assertTrue(screen.toString(), screen.toString().matches("(?s).*[0-9.,]+ [mµ]s\n" + step + ".*"));
            }
        }
    }

    @Test
    public void modelsOfGreyImagesStartWithADrawing() {
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class)) {
            screen.awaitText("Runs on: CPU");
            assertTrue(screen.find(R.id.drawing).isShown());
            assertTrue(screen.find(R.id.source_draw).isSelected());
            assertTrue(screen.shows("Draw with a finger"));
            assertTrue(screen.shows("No picture yet"));
            assertEquals(0, services.camera.starts);
        }
    }

    private static void touch(View view, int action, double x, double y) {
        long now = SystemClock.uptimeMillis();
        MotionEvent event = MotionEvent.obtain(now, now, action,
                (float) (view.getWidth() / 2.0 + x * view.getHeight() / 2), (float) ((1 + y) * view.getHeight() / 2), 0);
        assertTrue(view.dispatchTouchEvent(event));
        event.recycle();
    }

    /** Draws an oval; coordinates go from -1 to 1. */
    static void drawZero(View view) {
        touch(view, MotionEvent.ACTION_DOWN, 0, -0.75);
        for (int step = 1; step < 40; step++) {
            double angle = 2 * Math.PI * step / 40;
            touch(view, MotionEvent.ACTION_MOVE, -0.42 * Math.sin(angle), -0.75 * Math.cos(angle));
        }
        touch(view, MotionEvent.ACTION_UP, 0, -0.75);
    }

    @Test
    public void aDrawingIsClassifiedAfterEachStrokeAndCanBeCleared() {
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class)) {
            screen.awaitText("Runs on: CPU");
            drawZero(screen.find(R.id.drawing));
            screen.awaitText("Probabilities\nzero\n");
            assertFalse(screen.shows("Draw with a finger"));
            screen.click(R.id.clear);
            screen.awaitText("No picture yet");
            screen.awaitText("Draw with a finger");
            assertFalse(screen.find(R.id.clear).isShown());
        }
    }

    @Test
    public void turningThePhoneKeepsPictureAndResult() throws Exception {
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class)) {
            screen.awaitText("Runs on: CPU");
            drawZero(screen.find(R.id.drawing));
            screen.awaitText("Probabilities\nzero\n");
            Activity before = screen.activity();
            screen.change("land");
            assertTrue(before != screen.activity());
            assertTrue(screen.toString(), screen.shows("Probabilities\nzero\n"));
            assertTrue(screen.find(R.id.clear).isShown());
            screen.click(R.id.source_photo);
            screen.controller().newIntent(share(bundle.bytes(bundle.golden.get(1).original)));
            awaitBest(screen, bundle.golden.get(1), bundle.recommended);
            screen.change("port");
            assertTrue(screen.toString(), screen.shows(best(bundle.golden.get(1).result(bundle.variant(bundle.recommended)), bundle)));
            assertTrue(screen.find(R.id.photo).isShown());
        }
    }

    @Test
    public void thePickerGivesAPhoto() throws Exception {
        GoldenSample sample = bundle.golden.get(3);
        give(PICTURE, bundle.bytes(sample.original));
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class)) {
            screen.click(R.id.source_photo);
            Intent asked = shadowOf(screen.activity()).getNextStartedActivityForResult().intent;
            assertEquals(MediaStore.ACTION_PICK_IMAGES, asked.getAction());
            shadowOf(screen.activity()).receiveResult(asked, Activity.RESULT_CANCELED, null);
            screen.idle();
            assertTrue(screen.shows("No picture yet"));
            screen.click(R.id.stage_action);
            Intent again = shadowOf(screen.activity()).getNextStartedActivityForResult().intent;
            shadowOf(screen.activity()).receiveResult(again, Activity.RESULT_OK, new Intent().setData(PICTURE));
            awaitBest(screen, sample, bundle.recommended);
        }
    }

    @Test
    public void withoutAnyPickerThatIsSaid() {
        shadowOf(RuntimeEnvironment.getApplication()).checkActivities(true);
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class)) {
            screen.awaitText("Runs on: CPU");
            screen.click(R.id.source_photo);
            screen.awaitText("no app to choose photos with");
        }
    }

    @Test
    public void variantThreadsAndAcceleratorAreSwitchedWhileAPictureIsThere() throws Exception {
        GoldenSample sample = bundle.golden.get(4);
        try (Screen<ClassifyActivity> screen =
                Screen.open(ClassifyActivity.class, share(bundle.bytes(sample.original)))) {
            awaitBest(screen, sample, bundle.recommended);
            screen.choose(R.id.variant, "float32");
            awaitBest(screen, sample, "float32");
            screen.choose(R.id.accelerator, "CPU without XNNPACK");
            screen.awaitText("Requested: CPU without XNNPACK. Runs on: CPU without XNNPACK");
            awaitBest(screen, sample, "float32");
            screen.choose(R.id.threads, "2");
            screen.await("a result with two threads", () -> screen.shows("Runs on:") && screen.shows("Inference"));
            screen.choose(R.id.accelerator, "NNAPI");
            screen.awaitText("Requested: NNAPI. Runs on: CPU without XNNPACK");
            assertTrue(screen.toString(), screen.shows("took no operator")); // there is no NNAPI behind the desktop's delegate
            assertEquals("", screen.problem());
        }
    }

    @Test
    public void aRefusedAcceleratorIsSaidAndTheCpuCanBeChosenAgain() throws Exception {
        GoldenSample sample = bundle.golden.get(4);
        try (Screen<ClassifyActivity> screen =
                Screen.open(ClassifyActivity.class, share(bundle.bytes(sample.original)))) {
            awaitBest(screen, sample, bundle.recommended);
            screen.choose(R.id.variant, "float32");
            screen.choose(R.id.accelerator, "GPU");
            screen.await("the refusal", () -> screen.problem().contains("GPU"));
            assertTrue(screen.problem(), screen.problem().contains("Choose the CPU"));
            assertTrue(screen.toString(), screen.shows("Nothing is loaded"));
            assertTrue(screen.shows("No picture yet") || !screen.shows("Probabilities"));
            screen.choose(R.id.accelerator, "CPU");
            awaitBest(screen, sample, "float32");
            assertEquals("", screen.problem());
        }
    }

    @Test
    public void cameraFramesAreClassifiedAndTheCameraIsGivenBackInTheBackground() throws Exception {
        shadowOf(RuntimeEnvironment.getApplication()).grantPermissions(Manifest.permission.CAMERA);
        GoldenSample sample = bundle.golden.get(5);
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class)) {
            screen.awaitText("Runs on: CPU");
            screen.click(R.id.source_camera);
            assertTrue(screen.find(R.id.source_camera).isSelected());
            assertNotNull(services.camera.listener);
            assertFalse(services.camera.front);
            PixelSource frame = services.decoder().decode(bundle.bytes(sample.image));
            String answer = "Probabilities\n" + best(sample.result(bundle.variant(bundle.recommended)), bundle);
            screen.await(answer, () -> {
                services.camera.listener.onFrame(frame); // a camera goes on
                return screen.shows(answer);
            });

            screen.click(R.id.switch_camera);
            assertTrue(services.camera.front);
            screen.controller().pause();
            assertNull("The camera is kept in the background.", services.camera.listener);
            screen.controller().resume();
            assertNotNull(services.camera.listener);
            assertTrue(services.camera.front);

            services.camera.listener.onCameraError("Another app uses the camera.");
            screen.await("the words", () -> screen.problem().equals("Another app uses the camera."));
            screen.click(R.id.source_draw);
            assertNull(services.camera.listener);
            screen.await("no problem", () -> screen.problem().isEmpty());
        }
        assertNull(services.camera.listener);
    }

    @Test
    public void turningThePhoneGivesTheCameraToTheNewScreen() {
        shadowOf(RuntimeEnvironment.getApplication()).grantPermissions(Manifest.permission.CAMERA);
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class)) {
            screen.awaitText("Runs on: CPU");
            assertTrue("Grey models start with drawing.", screen.find(R.id.source_draw).isSelected());
            screen.click(R.id.source_camera);
            assertEquals(1, services.camera.starts);
            screen.change("land");
            assertEquals(2, services.camera.starts);
            assertNotNull(services.camera.listener);
        }
        assertNull(services.camera.listener);
    }

    @Test
    public void aDeniedPermissionIsExplained() {
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class)) {
            screen.click(R.id.source_camera);
            assertTrue(screen.shows("Pictures stay on this device."));
            String[] asked = {Manifest.permission.CAMERA};
            screen.activity().onRequestPermissionsResult(1, asked, new int[] {PackageManager.PERMISSION_DENIED});
            screen.idle();
            assertTrue(screen.toString(), screen.shows("may not use the camera"));
            assertEquals("Open settings", screen.text(R.id.stage_action));
            screen.click(R.id.stage_action);
            Intent next = shadowOf(screen.activity()).getNextStartedActivity();
            while (next != null && !Settings.ACTION_APPLICATION_DETAILS_SETTINGS.equals(next.getAction())) {
                next = shadowOf(screen.activity()).getNextStartedActivity();
            }
            assertNotNull("The settings do not open.", next);
            assertEquals(0, services.camera.starts);
        }
    }

    @Test
    public void aDeviceWithoutACameraSaysSo() {
        shadowOf(RuntimeEnvironment.getApplication()).grantPermissions(Manifest.permission.CAMERA);
        services.camera.hasBack = false;
        services.camera.hasFront = false;
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class)) {
            screen.click(R.id.source_camera);
            assertTrue(screen.toString(), screen.shows("This device has no camera."));
            assertFalse(screen.find(R.id.switch_camera).isShown());
            assertEquals(0, services.camera.starts);
        }
    }

    @Test
    public void onlyAFrontCameraIsUsedWithoutASwitch() {
        shadowOf(RuntimeEnvironment.getApplication()).grantPermissions(Manifest.permission.CAMERA);
        services.camera.hasBack = false;
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class)) {
            screen.awaitText("Runs on: CPU");
            screen.click(R.id.source_camera);
            assertTrue(services.camera.front);
            assertFalse(screen.find(R.id.switch_camera).isShown());
        }
    }
}
