package org.tflitekit.demo.classify;

import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.graphics.Color;

/** Makes of drawings what data sets of drawn digits hold. */
final class Drawings {
    private Drawings() {}

    /**
     * Cuts a drawing to the smallest square around its strokes, as data sets of handwritten digits are normalized in size. The
     * shorter side is filled up with black on both ends.
     *
     * @param drawing white on black
     */
    static Bitmap cut(Bitmap drawing) {
        int width = drawing.getWidth();
        int height = drawing.getHeight();
        int[] argb = new int[width * height];
        drawing.getPixels(argb, 0, width, 0, 0, width, height);
        int left = width;
        int top = height;
        int right = -1;
        int bottom = -1;
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                if (argb[y * width + x] != Color.BLACK) {
                    left = Math.min(left, x);
                    right = Math.max(right, x);
                    top = Math.min(top, y);
                    bottom = y;
                }
            }
        }
        if (right < 0) {
            return drawing;
        }
        int side = Math.max(right - left, bottom - top) + 1;
        Bitmap square = Bitmap.createBitmap(side, side, Bitmap.Config.ARGB_8888);
        Canvas canvas = new Canvas(square);
        canvas.drawColor(Color.BLACK);
        canvas.drawBitmap(drawing, (side - (left + right + 1)) / 2, (side - (top + bottom + 1)) / 2, null);
        return square;
    }
}
