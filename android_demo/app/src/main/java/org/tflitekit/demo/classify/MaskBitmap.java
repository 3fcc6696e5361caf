package org.tflitekit.demo.classify;

import android.graphics.Bitmap;
import org.tflitekit.core.decode.Colors;
import org.tflitekit.core.decode.Decoded;

/** A mask as a picture to lay over another one: tinted by class, with full color where classes meet. */
final class MaskBitmap {
    private static final int TINT = 0x8CFFFFFF;

    private MaskBitmap() {}

    static Bitmap of(Decoded decoded) {
        int width = decoded.maskWidth;
        int[] mask = decoded.mask;
        int[] argb = new int[mask.length];
        for (int i = 0; i < mask.length; i++) {
            if (mask[i] > 0) {
                boolean edge = i % width > 0 && mask[i - 1] != mask[i] || i >= width && mask[i - width] != mask[i];
                argb[i] = Colors.ofMask(mask[i]) & (edge ? 0xFFFFFFFF : TINT);
            }
        }
        return Bitmap.createBitmap(argb, width, decoded.maskHeight, Bitmap.Config.ARGB_8888);
    }
}
