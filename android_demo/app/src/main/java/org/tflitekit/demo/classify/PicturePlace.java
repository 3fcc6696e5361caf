package org.tflitekit.demo.classify;

import android.graphics.Matrix;

/** How a picture lies in the view that shows it. */
enum PicturePlace {
    /** All of it is seen, in the middle: photos and drawings. */
    FITS,
    /** It fills the view, and what is beyond is cut off: the back camera. */
    COVERS,
    /** The same as in a mirror: the front camera's preview, whose frames are not mirrored. */
    COVERS_MIRRORED;

    /** Returns what leads from pixels of the picture to those of the view. */
    Matrix matrix(int width, int height, int viewWidth, int viewHeight) {
        float scaleX = (float) viewWidth / width;
        float scaleY = (float) viewHeight / height;
        float scale = this == FITS ? Math.min(scaleX, scaleY) : Math.max(scaleX, scaleY);
        Matrix matrix = new Matrix();
        matrix.postTranslate(-width / 2f, -height / 2f);
        matrix.postScale(this == COVERS_MIRRORED ? -scale : scale, scale);
        matrix.postTranslate(viewWidth / 2f, viewHeight / 2f);
        return matrix;
    }
}
