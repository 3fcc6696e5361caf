package org.tflitekit.core.image;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import org.junit.Test;
import org.tflitekit.core.AllocatedBytes;

/** Images in memory, turned and mirrored. */
public class SourcesTest {
    // a b c
    // d e f
    private static final int[] LETTERS = {'a', 'b', 'c', 'd', 'e', 'f'};

    @Test
    public void allEightOrientations() throws Exception {
        check(0, false, 3, "abcdef");
        check(90, false, 2, "daebfc");
        check(180, false, 3, "fedcba");
        check(270, false, 2, "cfbead");
        check(0, true, 3, "cbafed");
        check(90, true, 2, "adbecf");
        check(180, true, 3, "defabc");
        check(270, true, 2, "fcebda");
        check(-90, false, 2, "cfbead");
        check(450, false, 2, "daebfc");
    }

    private static void check(int degrees, boolean mirror, int width, String expected) throws Exception {
        ArgbImage letters = new ArgbImage(3, 2, LETTERS);
        check(new RotatedSource(letters, degrees, mirror), width, expected);
        check(new RotatedSource(new RotatedSource(letters, 0, false), degrees, mirror), width, expected);
    }

    private static void check(PixelSource turned, int width, String expected) throws Exception {
        assertEquals(width, turned.width());
        assertEquals(6 / width, turned.height());
        assertEquals(expected, rows(turned, 0, turned.height()));
        for (int y = 0; y < turned.height(); y++) {
            assertEquals(expected.substring(y * width, (y + 1) * width), rows(turned, y, 1));
        }
    }

    /** A photo of 48 megapixels in portrait: 192 MB of pixels, of which only bands are held. */
    @Test
    public void aLargeImageIsTurnedInBands() throws Exception {
        for (int degrees : new int[] {90, 270}) {
            for (boolean mirror : new boolean[] {false, true}) {
                PixelSource large = new FormulaSource(8000, 6000);
                long before = AllocatedBytes.now();
                PixelSource turned = new RotatedSource(large, degrees, mirror);
                int[] rows = new int[2 * 6000];
                int[] original = new int[8000];
                for (int y = 0; y < 8000; y += 3996) {
                    turned.readRows(y, 2, rows);
                    for (int x = 0; x < 6000; x += 499) {
                        int column = degrees == 90 ? y : 7999 - y;
                        boolean up = (degrees == 90) != mirror;
                        large.readRows(up ? 5999 - x : x, 1, original);
                        assertEquals(original[column], rows[x]);
                        assertEquals(original[column + (degrees == 90 ? 1 : -1)], rows[6000 + x]);
                    }
                }
                long allocated = AllocatedBytes.now() - before;
                assertTrue(String.valueOf(allocated), allocated < 20_000_000);
            }
        }
    }

    private static String rows(PixelSource source, int y, int rows) throws Exception {
        int[] argb = new int[source.width() * rows];
        source.readRows(y, rows, argb);
        StringBuilder text = new StringBuilder();
        for (int letter : argb) {
            text.append((char) letter);
        }
        return text.toString();
    }

    @Test
    public void anotherFrameInTheSameObject() throws Exception {
        ArgbImage frame = new ArgbImage(3, 2, LETTERS);
        RotatedSource turned = new RotatedSource(frame, 90, false);
        assertEquals("daebfc", rows(turned, 0, 3));
        frame.set(1, 2, new int[] {'x', 'y'});
        turned.set(frame, 90, false);
        assertEquals("yx", rows(turned, 0, 1));
    }

    @Test
    public void whatIsNoImageOrTurn() {
        int[] pixels = new int[6];
        int[][] sizes = {{3, 3}, {0, 6}, {6, -1}, {65536, 65536}};
        for (int[] size : sizes) {
            try {
                new ArgbImage(size[0], size[1], pixels);
                fail();
            } catch (IllegalArgumentException error) {
                assertEquals("6 pixels are no image of " + size[0] + " x " + size[1] + ".", error.getMessage());
            }
        }
        try {
            new RotatedSource(new ArgbImage(3, 2, pixels), 45, false);
            fail();
        } catch (IllegalArgumentException error) {
            assertEquals("Images are turned by quarters, not by 45 degrees.", error.getMessage());
        }
    }

    @Test
    public void readsRowsFromTheMiddle() {
        int[] rows = new int[4];
        new ArgbImage(2, 3, LETTERS).readRows(1, 2, rows);
        assertArrayEquals(new int[] {'c', 'd', 'e', 'f'}, rows);
    }
}
