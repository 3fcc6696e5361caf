package org.tflitekit.core.image;

/** Where a picture lies in a model's input: {@code input = source * scale + offset}, for x and for y. Sizes are in pixels. */
public final class Frame {
    public final int sourceWidth;
    public final int sourceHeight;
    public final int inputWidth;
    public final int inputHeight;
    public final double scaleX;
    public final double scaleY;
    public final double offsetX;
    public final double offsetY;

    public Frame(int sourceWidth, int sourceHeight, int inputWidth, int inputHeight, double scaleX, double scaleY,
            double offsetX, double offsetY) {
        this.sourceWidth = sourceWidth;
        this.sourceHeight = sourceHeight;
        this.inputWidth = inputWidth;
        this.inputHeight = inputHeight;
        this.scaleX = scaleX;
        this.scaleY = scaleY;
        this.offsetX = offsetX;
        this.offsetY = offsetY;
    }

    /** Returns the x in the picture of an x in the input, in float32 as the host computes it. */
    public float sourceX(float x) {
        return (x - (float) offsetX) / (float) scaleX;
    }

    /** Returns the y in the picture of a y in the input, in float32 as the host computes it. */
    public float sourceY(float y) {
        return (y - (float) offsetY) / (float) scaleY;
    }

    /** Returns the frame of the same picture made smaller, so that its longer side has at most this many pixels. */
    public Frame within(int longest) {
        int longer = Math.max(sourceWidth, sourceHeight);
        if (longer <= longest) {
            return this;
        }
        int width = Math.max(1, (int) Math.rint((double) sourceWidth * longest / longer));
        int height = Math.max(1, (int) Math.rint((double) sourceHeight * longest / longer));
        return new Frame(width, height, inputWidth, inputHeight, scaleX * sourceWidth / width,
                scaleY * sourceHeight / height, offsetX, offsetY);
    }
}
