package org.tflitekit.core.inference;

/** What a model says of one picture, and how long it took. */
public abstract class Answer {
    /** What is wrong with the output, for people; null where nothing is. */
    public String warning;
    public long preprocessNanos;
    public long inferenceNanos;
    public long postprocessNanos;

    /** Returns the time of all three steps in nanoseconds. */
    public final long totalNanos() {
        return preprocessNanos + inferenceNanos + postprocessNanos;
    }

    /** Says what values that are not numbers mean. */
    public final void warn(boolean notANumber) {
        warning = notANumber
                ? "The model's output holds values that are not numbers (NaN), so this result means nothing. Run"
                        + " Verify to see whether the variant fails on this accelerator."
                : null;
    }
}
