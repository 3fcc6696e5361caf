package org.tflitekit.core.image;

/** Takes finished rows. */
interface RowSink {
    /** @param values one value a channel, 0 to 255; may be overwritten afterwards */
    void row(int y, int[] values);
}
