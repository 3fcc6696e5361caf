package org.tflitekit.demo.image;

import android.graphics.Bitmap;
import android.graphics.BitmapRegionDecoder;
import android.graphics.Rect;
import java.io.IOException;
import org.tflitekit.core.image.ArgbImage;
import org.tflitekit.core.image.PixelSource;

/**
 * A large image file that is decoded in bands of upright rows, so that it never lies in memory as a whole. A band of an
 * image that is turned by a quarter is one of the file's columns: each part of the file is still decoded once.
 */
final class RegionSource implements PixelSource {
    /** 16 MB. Decoders go through all that comes before a band, so few large bands are fast. */
    private static final int BAND_PIXELS = 1 << 22;

    private final BitmapRegionDecoder decoder;
    private final Orientation orientation;
    private int[] pixels = new int[0];
    private PixelSource band;
    private int top;

    RegionSource(BitmapRegionDecoder decoder, Orientation orientation) {
        this.decoder = decoder;
        this.orientation = orientation;
    }

    @Override
    public int width() {
        return orientation.isQuarter() ? decoder.getHeight() : decoder.getWidth();
    }

    @Override
    public int height() {
        return orientation.isQuarter() ? decoder.getWidth() : decoder.getHeight();
    }

    @Override
    public void readRows(int y, int rows, int[] argb) throws IOException {
        if (band == null || y < top || y + rows > top + band.height()) {
            load(y, Math.max(rows, BAND_PIXELS / width()));
        }
        band.readRows(y - top, rows, argb);
    }

    private void load(int y, int wanted) throws IOException {
        band = null;
        int rows = Math.min(wanted, height() - y);
        Rect region = orientation.region(y, rows, decoder.getWidth(), decoder.getHeight());
        Bitmap bitmap;
        try {
            bitmap = decoder.decodeRegion(region, BitmapDecoder.options());
        } catch (IllegalArgumentException | IllegalStateException error) {
            throw new IOException("The image is damaged from row " + y + " on.", error);
        }
        if (bitmap == null) {
            throw new IOException("The image is damaged from row " + y + " on.");
        }
        int width = region.width();
        if (pixels.length < width * region.height()) {
            pixels = new int[width * region.height()];
        }
        bitmap.getPixels(pixels, 0, width, 0, 0, width, region.height());
        bitmap.recycle();
        band = orientation.turn(new ArgbImage(width, region.height(), pixels));
        top = y;
    }
}
