package org.tflitekit.core.inference;

/** The largest values of an array. */
public final class TopK {
    private TopK() {}

    /**
     * Finds the largest values, the largest first. Of equal values the lower index comes first; NaN comes last.
     *
     * @param values the first {@code count} are looked at
     * @param indices filled as far as there are values
     * @return how many indices were filled
     */
    public static int select(float[] values, int count, int[] indices) {
        throw new UnsupportedOperationException();
    }
}
