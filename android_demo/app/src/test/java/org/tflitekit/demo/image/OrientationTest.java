package org.tflitekit.demo.image;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;

import android.graphics.Rect;
import java.util.Arrays;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.tflitekit.core.image.ArgbImage;
import org.tflitekit.core.image.PixelSource;

/** Bands of large files, turned one by one, make the same image as the whole file turned at once. */
@RunWith(RobolectricTestRunner.class)
public class OrientationTest {
    private static final int WIDTH = 5;
    private static final int HEIGHT = 3;
    private static final int[] FILE = numbers();

    private static int[] numbers() {
        int[] pixels = new int[WIDTH * HEIGHT];
        for (int i = 0; i < pixels.length; i++) {
            pixels[i] = i;
        }
        return pixels;
    }

    private static ArgbImage cut(Rect region) {
        int[] pixels = new int[region.width() * region.height()];
        for (int y = 0; y < region.height(); y++) {
            System.arraycopy(FILE, (region.top + y) * WIDTH + region.left, pixels, y * region.width(), region.width());
        }
        return new ArgbImage(region.width(), region.height(), pixels);
    }

    private static int[] rows(PixelSource source) throws Exception {
        int[] argb = new int[source.width() * source.height()];
        source.readRows(0, source.height(), argb);
        return argb;
    }

    @Test
    public void bandsMakeTheWhole() throws Exception {
        for (int tag = 1; tag <= 8; tag++) {
            Orientation orientation = Orientation.of(tag);
            PixelSource whole = orientation.turn(new ArgbImage(WIDTH, HEIGHT, FILE));
            for (int rows = 1; rows <= whole.height(); rows++) {
                for (int top = 0; top + rows <= whole.height(); top++) {
                    PixelSource band = orientation.turn(cut(orientation.region(top, rows, WIDTH, HEIGHT)));
                    assertEquals(whole.width(), band.width());
                    assertEquals(rows, band.height());
                    int[] expected = Arrays.copyOfRange(rows(whole), top * whole.width(), (top + rows) * whole.width());
                    assertArrayEquals("EXIF " + tag + ", rows " + top + " to " + (top + rows), expected, rows(band));
                }
            }
        }
    }

    /** From the definition of EXIF's tag: which corner of the file is the upright image's first pixel. */
    @Test
    public void firstPixelsAreThoseOfExif() throws Exception {
        int right = WIDTH - 1;
        int bottom = (HEIGHT - 1) * WIDTH;
        int[] corners = {0, right, bottom + right, bottom, 0, bottom, bottom + right, right};
        for (int tag = 1; tag <= 8; tag++) {
            Orientation orientation = Orientation.of(tag);
            assertEquals(tag >= 5, orientation.isQuarter());
            assertEquals("EXIF " + tag, corners[tag - 1], rows(orientation.turn(new ArgbImage(WIDTH, HEIGHT, FILE)))[0]);
        }
    }
}
