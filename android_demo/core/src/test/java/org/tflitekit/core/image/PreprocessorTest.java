package org.tflitekit.core.image;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.junit.Test;
import org.tflitekit.core.AllocatedBytes;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.Preprocessing;
import org.tflitekit.core.bundle.TensorSpec;

/** What vectors cannot show: sizes at the edge, memory, reuse, and inputs that are no images. */
public class PreprocessorTest {
    private static final String[] FILTERS = {"nearest", "box", "bilinear", "bicubic", "lanczos"};

    @Test
    public void onePixelFillsTheInput() throws Exception {
        for (String filter : FILTERS) {
            Preprocessor preprocessor = preprocessor(filter, "stretch", 1, 33, 65, 3);
            byte[] pixels = preprocessor.pixels(new ArgbImage(1, 1, new int[] {0xFF0A64FF}));
            for (int i = 0; i < pixels.length; i += 3) {
                assertEquals(filter, 10, pixels[i]);
                assertEquals(filter, 100, pixels[i + 1]);
                assertEquals(filter, (byte) 255, pixels[i + 2]);
            }
        }
    }

    /** 192 megabytes of pixels pass through a few hundred kilobytes. */
    @Test
    public void aLargeImageNeedsLittleMemory() throws Exception {
        for (String filter : new String[] {"nearest", "bilinear", "lanczos"}) {
            Preprocessor preprocessor = preprocessor(filter, "center_crop", 0.875, 224, 224, 3);
            FormulaSource large = new FormulaSource(8000, 6000);
            long before = AllocatedBytes.now();
            preprocessor.pixels(large);
            long allocated = AllocatedBytes.now() - before;
            assertTrue(filter + " allocates " + allocated, allocated < 2_000_000);
        }
    }

    @Test
    public void longThinImages() throws Exception {
        for (String filter : FILTERS) {
            for (String fit : new String[] {"stretch", "center_crop", "pad"}) {
                Preprocessor preprocessor = preprocessor(filter, fit, 0.5, 16, 16, 3);
                assertEquals(16 * 16 * 3, preprocessor.pixels(new FormulaSource(1, 50_000)).length);
                assertEquals(16 * 16 * 3, preprocessor.pixels(new FormulaSource(50_000, 1)).length);
            }
        }
    }

    @Test
    public void nothingIsAllocatedOnceWarm() throws Exception {
        for (String filter : FILTERS) {
            Preprocessor preprocessor = preprocessor(filter, "pad", 0.9, 96, 96, 3);
            ArgbImage frame = new ArgbImage(640, 480, new int[640 * 480]);
            ByteBuffer input = ByteBuffer.allocateDirect(96 * 96 * 3 * 4).order(ByteOrder.nativeOrder());
            preprocessor.fill(preprocessor.pixels(frame), input);
            AllocatedBytes.now();
            long before = AllocatedBytes.now();
            for (int i = 0; i < 10; i++) {
                preprocessor.fill(preprocessor.pixels(frame), input);
            }
            assertEquals(filter, 0, AllocatedBytes.now() - before);
        }
    }

    /** A frame that could not be read leaves nothing of itself in the next one. */
    @Test
    public void anImageThatBreaksOff() throws Exception {
        final ArgbImage image = new ArgbImage(40, 3000, new int[40 * 3000]);
        for (String filter : FILTERS) {
            Preprocessor preprocessor = preprocessor(filter, "pad", 1, 8, 16, 3);
            byte[] whole = preprocessor.pixels(new FormulaSource(40, 3000)).clone();
            PixelSource broken = new PixelSource() {
                @Override
                public int width() {
                    return 40;
                }

                @Override
                public int height() {
                    return 3000;
                }

                @Override
                public void readRows(int y, int rows, int[] argb) throws IOException {
                    if (y + rows > 2000) {
                        throw new IOException("the file ends here");
                    }
                    image.readRows(y, rows, argb);
                }
            };
            try {
                preprocessor.pixels(broken);
                fail(filter);
            } catch (IOException error) {
                assertEquals("the file ends here", error.getMessage());
            }
            assertArrayEquals(filter, whole, preprocessor.pixels(new FormulaSource(40, 3000)));
        }
    }

    @Test
    public void inputsThatAreNoImages() throws Exception {
        int[][] shapes = {{}, {1}, {1, 10}, {1, 10, 12}, {2, 8, 8, 3}, {1, 8, 8, 2}, {1, -1, -1, 3}, {1, 2, 8, 8, 3},
            {8, 8, 3}};
        for (int[] shape : shapes) {
            try {
                new Preprocessor(preprocessing("bilinear", "stretch", 1, 0),
                        new TensorSpec("x", shape, "float32", false, 1, 0));
                fail(Arrays.toString(shape));
            } catch (BundleException error) {
                assertTrue(error.getMessage(), error.getMessage().contains(Arrays.toString(shape)));
            }
        }
    }

    @Test
    public void meansThatDoNotFit() throws Exception {
        TensorSpec grey = new TensorSpec("x", new int[] {1, 8, 8, 1}, "float32", false, 1, 0);
        try {
            new Preprocessor(preprocessing("bilinear", "stretch", 1, 1, 2, 3), grey);
            fail();
        } catch (BundleException error) {
            assertTrue(error.getMessage(), error.getMessage().contains("has 3 values for mean"));
        }
    }

    @Test
    public void typesThatHoldNoImages() throws Exception {
        for (String dtype : new String[] {"bool", "float64", "int64"}) {
            try {
                new Preprocessor(preprocessing("bilinear", "stretch", 1, 0),
                        new TensorSpec("x", new int[] {1, 8, 8, 1}, dtype, false, 1, 0));
                fail(dtype);
            } catch (BundleException error) {
                assertTrue(error.getMessage(), error.getMessage().contains(dtype));
            }
        }
    }

    private static Preprocessor preprocessor(String filter, String fit, double crop, int height, int width,
            int channels) throws BundleException {
        return new Preprocessor(preprocessing(filter, fit, crop, 0),
                new TensorSpec("image", new int[] {1, height, width, channels}, "float32", false, 1, 0));
    }

    private static Preprocessing preprocessing(String filter, String fit, double crop, double... mean) {
        return new Preprocessing("test", "rgb", filter, fit, crop, 255, mean, new double[] {1});
    }
}
