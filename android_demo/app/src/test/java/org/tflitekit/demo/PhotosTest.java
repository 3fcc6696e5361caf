package org.tflitekit.demo;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.graphics.Bitmap;
import android.net.Uri;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import javax.imageio.ImageIO;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.GoldenSample;
import org.tflitekit.core.image.PixelSource;
import org.tflitekit.core.image.Preprocessor;
import org.tflitekit.demo.device.Services;
import org.tflitekit.demo.image.Photo;
import org.tflitekit.demo.image.PhotoException;

/** Images that people choose and share, from a stream to pixels. */
@RunWith(RobolectricTestRunner.class)
public class PhotosTest {
    private static final Uri ADDRESS = Uri.parse("content://photos/1");
    private Services services;

    @Before
    public void open() {
        services = ((DemoApplication) RuntimeEnvironment.getApplication()).services();
    }

    private static void give(byte[] content) {
        shadowOf(RuntimeEnvironment.getApplication().getContentResolver())
                .registerInputStreamSupplier(ADDRESS, () -> new ByteArrayInputStream(content));
    }

    private Photo load(byte[] content) throws Exception {
        give(content);
        return services.photos().load(ADDRESS);
    }

    private PhotoException refusal(byte[] content) {
        give(content);
        return assertThrows(PhotoException.class, () -> services.photos().load(ADDRESS));
    }

    private static byte[] jpeg(Bitmap bitmap) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        assertTrue(bitmap.compress(Bitmap.CompressFormat.JPEG, 95, out));
        return out.toByteArray();
    }

    /** Written by the JVM: Android's bitmaps lose colour under transparency. */
    static byte[] png(int width, int height, int... argb) throws IOException {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_ARGB);
        image.setRGB(0, 0, width, height, argb, 0, width);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        assertTrue(ImageIO.write(image, "png", out));
        return out.toByteArray();
    }

    private static int[] rows(PixelSource source) throws IOException {
        int[] argb = new int[source.width() * source.height()];
        source.readRows(0, source.height(), argb);
        return argb;
    }

    @Test
    public void goldenImagesGiveTheHostsPixels() throws Exception {
        Bundle bundle = Bundle.read(services.bundleFiles(null));
        Preprocessor preprocessor = new Preprocessor(bundle.preprocessing, bundle.variants.get(0).inputs.get(0));
        for (GoldenSample sample : bundle.golden) {
            Photo photo = load(bundle.bytes(sample.image));
            assertNotNull(photo.preview);
            assertArrayEquals(sample.name, bundle.bytes(sample.pixels), preprocessor.pixels(photo.pixels));
        }
    }

    @Test
    public void onePixel() throws Exception {
        Photo photo = load(png(1, 1, 0xFF336699));
        assertEquals(1, photo.pixels.width());
        assertEquals(1, photo.pixels.height());
        assertArrayEquals(new int[] {0xFF336699}, rows(photo.pixels));
    }

    @Test
    public void transparentPixelsKeepTheirColour() throws Exception {
        assertArrayEquals(new int[] {0x40336699, 0xFF000001}, rows(load(png(2, 1, 0x40336699, 0xFF000001)).pixels));
    }

    /** A file of a few hundred kilobytes that would be 192 MB as a bitmap. */
    @Test
    public void fortyEightMegapixels() throws Exception {
        Bitmap large = Bitmap.createBitmap(8000, 6000, Bitmap.Config.RGB_565);
        large.eraseColor(0xFF204060);
        byte[] file = jpeg(large);
        large.recycle();
        Photo photo = load(file);
        assertTrue(photo.pixels.width() >= 1000 && photo.pixels.height() >= 750);
        assertEquals(8000.0 / 6000, (double) photo.pixels.width() / photo.pixels.height(), 0.01);
        assertTrue(photo.preview.getWidth() <= 1024 && photo.preview.getHeight() <= 1024);
        assertTrue(photo.preview.getWidth() >= 256);
        assertEquals(4.0 / 3, (double) photo.preview.getWidth() / photo.preview.getHeight(), 0.01);
    }

    @Test
    public void damagedImagesAreRefusedInWords() throws Exception {
        byte[] whole = png(3, 2, 1, 2, 3, 4, 5, 6);
        for (byte[] content : new byte[][] {new byte[0], "no image".getBytes(), Arrays.copyOf(whole, 20)}) {
            String message = refusal(content).getMessage();
            assertNotNull(message);
            assertTrue(message, message.split(" ").length > 4);
            assertFalse(message, message.contains("Exception"));
        }
    }

    @Test
    public void aStreamThatBreaksIsRefusedInWords() {
        shadowOf(RuntimeEnvironment.getApplication().getContentResolver())
                .registerInputStreamSupplier(ADDRESS, () -> new InputStream() {
                    @Override
                    public int read() throws IOException {
                        throw new IOException("The cable was pulled.");
                    }
                });
        assertThrows(PhotoException.class, () -> services.photos().load(ADDRESS));
        assertThrows(PhotoException.class, () -> services.photos().load(Uri.parse("file:///nowhere/at/all.jpg")));
    }

    @Test
    public void photosAreTurnedUpright() throws Exception {
        int red = 0xFFFF0000;
        int blue = 0xFF0000FF;
        int[] argb = new int[32 * 16];
        for (int i = 0; i < argb.length; i++) {
            argb[i] = i % 32 < 16 ? red : blue;
        }
        byte[] jpeg = jpeg(Bitmap.createBitmap(argb, 32, 16, Bitmap.Config.ARGB_8888));
        Photo photo = load(oriented(jpeg, 6)); // to be turned clockwise: left becomes top
        assertEquals(16, photo.pixels.width());
        assertEquals(32, photo.pixels.height());
        int[] upright = rows(photo.pixels);
        assertTrue("red on top", (upright[8 + 4 * 16] & 0xFF) < 60 && (upright[8 + 4 * 16] >> 16 & 0xFF) > 200);
        assertTrue("blue below", (upright[8 + 28 * 16] & 0xFF) > 200 && (upright[8 + 28 * 16] >> 16 & 0xFF) < 60);
        assertEquals(16, photo.preview.getWidth());
        assertEquals(32, photo.preview.getHeight());
    }

    /** Puts an Exif segment with an orientation behind the start of a JPEG file. */
    private static byte[] oriented(byte[] jpeg, int orientation) throws IOException {
        byte[] exif = {
            (byte) 0xFF, (byte) 0xE1, 0, 34, 'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1,
            1, 0x12, 0, 3, 0, 0, 0, 1, 0, (byte) orientation, 0, 0, 0, 0, 0, 0,
        };
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(jpeg, 0, 2);
        out.write(exif);
        out.write(jpeg, 2, jpeg.length - 2);
        return out.toByteArray();
    }
}
