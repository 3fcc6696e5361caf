package org.tflitekit.demo.image;

import android.graphics.Bitmap;
import android.graphics.BitmapFactory;
import android.graphics.BitmapRegionDecoder;
import android.graphics.Rect;
import java.io.IOException;
import org.tflitekit.core.image.PixelSource;

/** A large image file that is decoded in bands of rows, so that it never lies in memory as a whole. */
final class RegionSource implements PixelSource {
    private static final int BAND_PIXELS = 1 << 20;

    private final BitmapRegionDecoder decoder;
    private Bitmap band;
    private int top;

    RegionSource(BitmapRegionDecoder decoder) {
        this.decoder = decoder;
    }

    @Override
    public int width() {
        return decoder.getWidth();
    }

    @Override
    public int height() {
        return decoder.getHeight();
    }

    @Override
    public void readRows(int y, int rows, int[] argb) throws IOException {
        if (band == null || y < top || y + rows > top + band.getHeight()) {
            load(y, Math.max(rows, BAND_PIXELS / width()));
        }
        band.getPixels(argb, 0, width(), 0, y - top, width(), rows);
    }

    private void load(int y, int rows) throws IOException {
        if (band != null) {
            band.recycle();
            band = null;
        }
        band = decoder.decodeRegion(new Rect(0, y, width(), Math.min(height(), y + rows)), BitmapDecoder.options());
        if (band == null) {
            throw new IOException("The image is damaged from row " + y + " on.");
        }
        top = y;
    }
}
