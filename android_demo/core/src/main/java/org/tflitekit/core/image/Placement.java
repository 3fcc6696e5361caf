package org.tflitekit.core.image;

import org.tflitekit.core.bundle.Preprocessing;

/** Which part of a source image goes where on the target; reused from source to source. All sizes are in pixels. */
final class Placement {
    private final Preprocessing preprocessing;
    private final int targetWidth;
    private final int targetHeight;

    int sourceWidth;
    int sourceHeight;
    /** The part of the source that is kept. */
    int left;
    int top;
    int width;
    int height;
    /** Its size after resizing, and where it lies on the target; the rest of the target stays black. */
    int resizedWidth;
    int resizedHeight;
    int targetLeft;
    int targetTop;

    Placement(Preprocessing preprocessing, ImageLayout layout) {
        this.preprocessing = preprocessing;
        targetWidth = layout.width;
        targetHeight = layout.height;
    }

    /** Returns whether a source of this size was set last. */
    boolean isFor(int newWidth, int newHeight) {
        return newWidth == sourceWidth && newHeight == sourceHeight;
    }

    void set(int newWidth, int newHeight) {
        sourceWidth = newWidth;
        sourceHeight = newHeight;
        width = atLeastOne(newWidth * preprocessing.cropFraction);
        height = atLeastOne(newHeight * preprocessing.cropFraction);
        if ("center_crop".equals(preprocessing.fit)) {
            double ratio = (double) targetWidth / targetHeight;
            int cropped = Math.min(width, atLeastOne(height * ratio));
            height = Math.min(height, atLeastOne(width / ratio));
            width = cropped;
        }
        left = (newWidth - width) / 2;
        top = (newHeight - height) / 2;
        resizedWidth = targetWidth;
        resizedHeight = targetHeight;
        if ("pad".equals(preprocessing.fit)) {
            double scale = Math.min((double) targetWidth / width, (double) targetHeight / height);
            resizedWidth = atLeastOne(width * scale);
            resizedHeight = atLeastOne(height * scale);
        }
        targetLeft = (targetWidth - resizedWidth) / 2;
        targetTop = (targetHeight - resizedHeight) / 2;
    }

    int inputWidth() {
        return targetWidth;
    }

    int inputHeight() {
        return targetHeight;
    }

    /** Returns whether the kept part covers the whole target. */
    boolean coversTarget() {
        return resizedWidth == targetWidth && resizedHeight == targetHeight;
    }

    /** Rounds as Python does: halves go to the even neighbour. */
    private static int atLeastOne(double size) {
        return Math.max(1, (int) Math.rint(size));
    }
}
