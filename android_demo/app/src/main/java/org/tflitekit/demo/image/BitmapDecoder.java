package org.tflitekit.demo.image;

import android.graphics.Bitmap;
import android.graphics.BitmapFactory;
import android.graphics.BitmapRegionDecoder;
import java.io.IOException;
import org.tflitekit.core.image.PixelSource;
import org.tflitekit.core.verify.ImageDecoder;

/** Android's decoders, told to change nothing: no scaling, no multiplication by alpha, no turning. */
public final class BitmapDecoder implements ImageDecoder {
    /** Larger images are decoded in bands: 16 million pixels take 64 MB. */
    private static final long MOST_PIXELS = 1 << 24;

    static BitmapFactory.Options options() {
        BitmapFactory.Options options = new BitmapFactory.Options();
        options.inPreferredConfig = Bitmap.Config.ARGB_8888;
        options.inPremultiplied = false;
        options.inScaled = false;
        return options;
    }

    @Override
    public PixelSource decode(byte[] file) throws IOException {
        return decode(file, Orientation.UPRIGHT);
    }

    /** Decodes an image that is to be turned. */
    PixelSource decode(byte[] file, Orientation orientation) throws IOException {
        BitmapFactory.Options size = new BitmapFactory.Options();
        size.inJustDecodeBounds = true;
        BitmapFactory.decodeByteArray(file, 0, file.length, size);
        if (size.outWidth < 1 || size.outHeight < 1) {
            throw new IOException("This is no image that the device can read, or it is damaged.");
        }
        if ((long) size.outWidth * size.outHeight > MOST_PIXELS) {
            return new RegionSource(regions(file), orientation);
        }
        Bitmap bitmap;
        try {
            bitmap = BitmapFactory.decodeByteArray(file, 0, file.length, options());
        } catch (OutOfMemoryError error) {
            return new RegionSource(regions(file), orientation);
        }
        if (bitmap == null) {
            throw new IOException("The image is damaged: the device cannot decode it.");
        }
        return orientation.turn(new BitmapSource(bitmap));
    }

    @SuppressWarnings("deprecation") // what replaces it needs API 31
    private static BitmapRegionDecoder regions(byte[] file) throws IOException {
        BitmapRegionDecoder decoder = BitmapRegionDecoder.newInstance(file, 0, file.length, false);
        if (decoder == null) {
            throw new IOException("The image is too large for this device in a format other than JPEG, PNG or WebP.");
        }
        return decoder;
    }
}
