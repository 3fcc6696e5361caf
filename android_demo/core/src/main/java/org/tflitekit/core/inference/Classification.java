package org.tflitekit.core.inference;

/** The best classes of one image, and how long they took. Classifiers reuse the object. */
public final class Classification extends Answer {
    /** How many places are filled. */
    public int count;
    /** Indices of classes, the best first; in the output's order where {@link #ranked} is false. */
    public final int[] indices;
    /** Real values of the output. */
    public final float[] scores;
    /**
     * Softmax of all values, at the same places (of 0 and the value where one value decides between two classes).
     * Only filled where {@link #probabilities} is false and {@link #ranked} is true.
     */
    public final float[] softmax;
    /** Labels of classes; "class 3" where the bundle has none. */
    public final String[] labels;
    /** Whether scores are probabilities; otherwise they are the model's values. */
    public boolean probabilities;
    /** Whether the model classifies, so that places are ranks. */
    public boolean ranked;
    /** Whether the output holds values that are not numbers (NaN); they rank last. */
    public boolean notANumber;

    /** @param places how many classes are kept at most */
    public Classification(int places) {
        indices = new int[places];
        scores = new float[places];
        softmax = new float[places];
        labels = new String[places];
    }
}
