package org.tflitekit.demo.classify;

/** One line of a result: a class with its figure and a bar. */
final class Row {
    /** Without a color of its own. */
    static final int PLAIN = 0;

    final String label;
    final String value;
    /** Length of the bar, from 0 to 1; negative for none. */
    final float share;
    /** What it is drawn in, opaque ARGB; {@link #PLAIN} for none. */
    final int color;

    Row(String label, String value, float share, int color) {
        this.label = label;
        this.value = value;
        this.share = share;
        this.color = color;
    }
}
