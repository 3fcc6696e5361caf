package org.tflitekit.demo.image;

import android.graphics.Bitmap;
import org.tflitekit.core.image.PixelSource;

/** An upright image: all of its pixels for the model, and a small picture for the screen. */
public final class Photo {
    public final PixelSource pixels;
    public final Bitmap preview;

    Photo(PixelSource pixels, Bitmap preview) {
        this.pixels = pixels;
        this.preview = preview;
    }
}
