package org.tflitekit.core.bundle;

/** What the host measured, with its 95 % interval. */
public final class Accuracy {
    /** Name of the metric; null for a drop. */
    public final String metric;
    /** A fraction for classification. */
    public final double value;
    /** NaN where there is no interval. */
    public final double low;
    /** NaN where there is no interval. */
    public final double high;
    /** Number of samples; 0 where it is not stated. */
    public final int samples;

    Accuracy(String metric, double value, double low, double high, int samples) {
        this.metric = metric;
        this.value = value;
        this.low = low;
        this.high = high;
        this.samples = samples;
    }
}
