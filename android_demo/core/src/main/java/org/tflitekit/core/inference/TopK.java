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
        int filled = 0;
        for (int i = 0; i < count; i++) {
            float value = values[i];
            if (filled == indices.length && (filled == 0 || !isLarger(value, values[indices[filled - 1]]))) {
                continue;
            }
            int place = filled == indices.length ? filled - 1 : filled++;
            while (place > 0 && isLarger(value, values[indices[place - 1]])) {
                indices[place] = indices[place - 1];
                place--;
            }
            indices[place] = i;
        }
        return filled;
    }

    private static boolean isLarger(float a, float b) {
        return a > b || b != b && a == a;
    }
}
