package org.tflitekit.demo.image;

import android.graphics.Bitmap;
import org.tflitekit.core.image.PixelSource;

/** The pixels of a bitmap. */
final class BitmapSource implements PixelSource {
    private final Bitmap bitmap;

    BitmapSource(Bitmap bitmap) {
        this.bitmap = bitmap;
    }

    @Override
    public int width() {
        return bitmap.getWidth();
    }

    @Override
    public int height() {
        return bitmap.getHeight();
    }

    @Override
    public void readRows(int y, int rows, int[] argb) {
        bitmap.getPixels(argb, 0, bitmap.getWidth(), 0, y, bitmap.getWidth(), rows);
    }
}
