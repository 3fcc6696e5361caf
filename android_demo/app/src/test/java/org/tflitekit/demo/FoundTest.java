package org.tflitekit.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.Manifest;
import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.graphics.Color;
import android.view.View;
import android.widget.SeekBar;
import java.io.File;
import java.util.Locale;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleFolder;
import org.tflitekit.core.bundle.GoldenResult;
import org.tflitekit.core.bundle.GoldenSample;
import org.tflitekit.core.decode.Colors;
import org.tflitekit.core.image.PixelSource;

/** Detectors and segmentation networks on photos and the camera: what is drawn lies where the host found it. */
@RunWith(RobolectricTestRunner.class)
public class FoundTest {
    private static final double THRESHOLD = 0.25;

    private HostServices services;
    private Bundle bundle;

    @Before
    public void open() {
        services = HostServices.install();
    }

    /** Puts a bundle into the app that the Python test has made. */
    static Bundle use(HostServices services, String task) throws Exception {
        String folder = System.getProperty("tflitekit." + task);
        assertNotNull("Give a bundle with -Dtflitekit." + task + "=FOLDER.", folder);
        services.bundle = new File(folder);
        return Bundle.read(new BundleFolder(services.bundle));
    }

    private Screen<ClassifyActivity> photo(GoldenSample sample) throws Exception {
        return Screen.open(ClassifyActivity.class, ClassifyTest.share(bundle.bytes(sample.original)));
    }

    private GoldenResult golden(GoldenSample sample) throws Exception {
        return sample.result(bundle.variant(bundle.recommended));
    }

    private static Bitmap drawn(View view) {
        Bitmap bitmap = Bitmap.createBitmap(view.getWidth(), view.getHeight(), Bitmap.Config.ARGB_8888);
        view.draw(new Canvas(bitmap));
        return bitmap;
    }

    /** Looks at the frames of boxes: the best one has the color of its class, and none is missing. */
    private void assertBoxes(Bitmap drawn, GoldenSample sample, double scale, boolean mirrored) throws Exception {
        double[][] boxes = golden(sample).decoded.rows("boxes", 4);
        int[] classes = golden(sample).decoded.integers("classes");
        double[] scores = golden(sample).decoded.numbers("scores");
        int seen = 0;
        for (int i = 0; i < boxes.length && scores[i] >= THRESHOLD; i++) {
            double[] box = boxes[i];
            double[][] middles = {{(box[0] + box[2]) / 2, box[3]}, {box[0], (box[1] + box[3]) / 2}, {box[2], (box[1] + box[3]) / 2}};
            for (double[] middle : middles) {
                double right = (middle[0] - sample.image.width / 2.0) * scale;
                int x = (int) Math.round(drawn.getWidth() / 2.0 + (mirrored ? -right : right));
                int y = (int) Math.round(drawn.getHeight() / 2.0 + (middle[1] - sample.image.height / 2.0) * scale);
                if (x < 1 || y < 1 || x >= drawn.getWidth() - 1 || y >= drawn.getHeight() - 1) {
                    continue;
                }
                seen++;
                int color = drawn.getPixel(x, y);
                assertTrue("no frame of " + i + " at " + x + ", " + y, Color.alpha(color) > 200);
                if (i == 0) {
                    assertEquals(Integer.toHexString(Colors.of(classes[0])), Integer.toHexString(color));
                }
            }
        }
        assertTrue("no box was looked at", seen > 0);
    }

    private int count(GoldenSample sample) throws Exception {
        int count = 0;
        for (double score : golden(sample).decoded.numbers("scores")) {
            count += score >= THRESHOLD ? 1 : 0;
        }
        return count;
    }

    private String best(GoldenSample sample) throws Exception {
        return bundle.labels.get(golden(sample).decoded.integers("classes")[0]) + "\n"
                + String.format(Locale.getDefault(), "%.1f\u00a0%%", 100 * golden(sample).decoded.numbers("scores")[0]);
    }

    @Test
    public void objectsInAPhoto() throws Exception {
        bundle = use(services, "detection");
        GoldenSample sample = bundle.golden.get(0);
        try (Screen<ClassifyActivity> screen = photo(sample)) {
            screen.awaitText("Objects: " + count(sample) + "\n" + best(sample));
            assertEquals("Detect objects", screen.text(R.id.title));
            assertTrue(screen.toString(), screen.shows("Inference"));
            View view = screen.find(R.id.found);
            double scale = Math.min(view.getWidth() / 64.0, view.getHeight() / 64.0);
            assertBoxes(drawn(view), sample, scale, false);
            assertTrue(view.getContentDescription().toString().startsWith("Objects: " + count(sample) + ". "));

            screen.change("land");
            view = screen.find(R.id.found);
            assertBoxes(drawn(view), sample, Math.min(view.getWidth() / 64.0, view.getHeight() / 64.0), false);
            SeekBar bar = (SeekBar) screen.find(R.id.threshold_bar);
            assertEquals(25, bar.getProgress());
            shadowOf(bar).getOnSeekBarChangeListener().onProgressChanged(bar, 100, true);
            screen.awaitText("Nothing with a score of at least 100\u00a0%");
            assertEquals(0, drawn(view).getPixel(view.getWidth() / 2, view.getHeight() / 2));
            screen.change("port");
            assertTrue(screen.shows("Shown from a score of 100\u00a0% on"));
        }
    }

    @Test
    public void objectsInFrontOfTheCameras() throws Exception {
        shadowOf(RuntimeEnvironment.getApplication()).grantPermissions(Manifest.permission.CAMERA);
        bundle = use(services, "detection");
        GoldenSample sample = bundle.golden.get(1);
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class)) {
            screen.awaitText("Runs on: CPU");
            assertTrue("Models of colored images start with the camera.", screen.find(R.id.source_camera).isSelected());
            for (boolean front : new boolean[] {false, true}) {
                assertEquals(front, services.camera.front);
                PixelSource frame = services.decoder().decode(bundle.bytes(sample.image));
                screen.await("objects", () -> {
                    services.camera.listener.onFrame(frame);
                    return screen.shows("Objects: ") && screen.shows(bestOf(sample));
                });
                View view = screen.find(R.id.found);
                double scale = Math.max(view.getWidth() / 64.0, view.getHeight() / 64.0);
                assertBoxes(drawn(view), sample, scale, front);
                screen.click(R.id.switch_camera);
            }
            screen.click(R.id.source_draw);
            screen.await("nothing over the drawing", () -> !screen.find(R.id.found).isShown());
        }
    }

    private String bestOf(GoldenSample sample) {
        try {
            return best(sample);
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }

    @Test
    public void classesOfThePixelsOfAPhoto() throws Exception {
        bundle = use(services, "segmentation");
        GoldenSample sample = bundle.golden.get(0);
        byte[] mask = bundle.bytes(golden(sample).mask);
        try (Screen<ClassifyActivity> screen = photo(sample)) {
            screen.awaitText("Classes by their share of the picture");
            assertEquals("Segment", screen.text(R.id.title));
            View view = screen.find(R.id.found);
            Bitmap drawn = drawn(view);
            double scale = Math.min(view.getWidth() / 64.0, view.getHeight() / 64.0);
            int[] pixels = new int[bundle.labels.size()];
            for (int i = 0; i < mask.length; i++) {
                pixels[mask[i]]++;
                int x = (int) (drawn.getWidth() / 2.0 + (i % 64 + 0.5 - 32) * scale);
                int y = (int) (drawn.getHeight() / 2.0 + (i / 64 + 0.5 - 32) * scale);
                assertColor(i + " of class " + mask[i], mask[i], drawn.getPixel(x, y));
            }
            assertTrue("The mask is empty.", pixels[0] < mask.length);
            for (int number = 0; number < pixels.length; number++) {
                String row = bundle.labels.get(number) + "\n"
                        + String.format(Locale.getDefault(), "%.1f\u00a0%%", 100f * pixels[number] / mask.length);
                assertEquals(screen + row, number > 0 && pixels[number] > 0, screen.shows(row));
            }
            assertTrue("A mask has no scores.", !screen.find(R.id.threshold).isShown());
        }
    }

    private static void assertColor(String what, int number, int color) {
        if (number == 0) {
            assertEquals(what, 0, Color.alpha(color));
            return;
        }
        assertTrue(what, Color.alpha(color) > 100);
        int expected = Colors.ofMask(number);
        assertEquals(what, Color.red(expected), Color.red(color), 3);
        assertEquals(what, Color.green(expected), Color.green(color), 3);
        assertEquals(what, Color.blue(expected), Color.blue(color), 3);
    }
}
