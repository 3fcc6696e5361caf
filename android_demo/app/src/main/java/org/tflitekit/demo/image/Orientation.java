package org.tflitekit.demo.image;

import android.graphics.Matrix;
import android.graphics.Rect;
import android.media.ExifInterface;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import org.tflitekit.core.image.PixelSource;
import org.tflitekit.core.image.RotatedSource;

/** How a file's pixels are turned to be upright: clockwise by quarters, then mirrored left to right or not. */
final class Orientation {
    static final Orientation UPRIGHT = new Orientation(0, false);

    private final int degrees;
    private final boolean mirror;

    Orientation(int degrees, boolean mirror) {
        this.degrees = degrees;
        this.mirror = mirror;
    }

    /** Returns what the camera noted in the file; upright where it noted nothing. */
    static Orientation of(byte[] file) {
        try {
            return of(new ExifInterface(new ByteArrayInputStream(file))
                    .getAttributeInt(ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_NORMAL));
        } catch (IOException | RuntimeException error) {
            return UPRIGHT; // formats without EXIF, and damaged EXIF
        }
    }

    /** @param tag EXIF's number, 1 to 8 */
    static Orientation of(int tag) {
        switch (tag) {
            case ExifInterface.ORIENTATION_FLIP_HORIZONTAL:
                return new Orientation(0, true);
            case ExifInterface.ORIENTATION_ROTATE_180:
                return new Orientation(180, false);
            case ExifInterface.ORIENTATION_FLIP_VERTICAL:
                return new Orientation(180, true);
            case ExifInterface.ORIENTATION_TRANSPOSE:
                return new Orientation(90, true);
            case ExifInterface.ORIENTATION_ROTATE_90:
                return new Orientation(90, false);
            case ExifInterface.ORIENTATION_TRANSVERSE:
                return new Orientation(270, true);
            case ExifInterface.ORIENTATION_ROTATE_270:
                return new Orientation(270, false);
            default:
                return UPRIGHT;
        }
    }

    /** Returns whether width and height change places. */
    boolean isQuarter() {
        return degrees % 180 != 0;
    }

    Matrix matrix() {
        Matrix matrix = new Matrix();
        matrix.postRotate(degrees);
        if (mirror) {
            matrix.postScale(-1, 1);
        }
        return matrix;
    }

    /** Turns an image in memory. */
    PixelSource turn(PixelSource lying) {
        return degrees == 0 && !mirror ? lying : new RotatedSource(lying, degrees, mirror);
    }

    /** Returns the part of a file that rows of the upright image are made of. */
    Rect region(int top, int rows, int fileWidth, int fileHeight) {
        switch (degrees) {
            case 90:
                return new Rect(top, 0, top + rows, fileHeight);
            case 180:
                return new Rect(0, fileHeight - top - rows, fileWidth, fileHeight - top);
            case 270:
                return new Rect(fileWidth - top - rows, 0, fileWidth - top, fileHeight);
            default:
                return new Rect(0, top, fileWidth, top + rows);
        }
    }
}
