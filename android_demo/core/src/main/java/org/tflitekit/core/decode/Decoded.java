package org.tflitekit.core.decode;

/** What a model found in a picture: boxes, a mask or poses; the others are empty. Positions are in pixels of the picture. */
public final class Decoded {
    /** Left, top, right and bottom of each object, the best first. */
    public final float[][] boxes;
    /** Class of each box. */
    public final int[] classes;
    /** Score of each box, from 0 to 1. */
    public final float[] scores;
    /** The class of each pixel, row by row; null where the model gives no mask. */
    public final int[] mask;
    public final int maskWidth;
    public final int maskHeight;
    /** For each pose its keypoints: x, y and score. */
    public final float[][][] poses;

    private Decoded(float[][] boxes, int[] classes, float[] scores, int[] mask, int maskWidth, int maskHeight,
            float[][][] poses) {
        this.boxes = boxes;
        this.classes = classes;
        this.scores = scores;
        this.mask = mask;
        this.maskWidth = maskWidth;
        this.maskHeight = maskHeight;
        this.poses = poses;
    }

    /** Makes a result of boxes; the arrays are not copied. */
    public static Decoded ofBoxes(float[][] boxes, int[] classes, float[] scores) {
        return new Decoded(boxes, classes, scores, null, 0, 0, new float[0][][]);
    }

    /** Makes a result of one mask; the array is not copied. */
    public static Decoded ofMask(int[] mask, int width, int height) {
        return new Decoded(new float[0][], new int[0], new float[0], mask, width, height, new float[0][][]);
    }

    /** Makes a result of poses; the array is not copied. */
    public static Decoded ofPoses(float[][][] poses) {
        return new Decoded(new float[0][], new int[0], new float[0], null, 0, 0, poses);
    }
}
