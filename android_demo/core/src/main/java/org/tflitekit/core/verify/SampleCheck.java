package org.tflitekit.core.verify;

/** One golden sample on one variant and accelerator. */
public final class SampleCheck {
    public final String sample;
    public final Verdict verdict;
    /** Whether the stored bytes of the input are the host's; true where the model takes no images. */
    public final boolean inputEqual;
    /** The output that is worst; null where nothing ran. */
    public final OutputCheck worst;
    /** Whether the best class is the host's; true where the model does not classify. */
    public final boolean sameTop1;
    /** Whether the device's outputs hold values that are not numbers (NaN). */
    public final boolean notANumber;
    /** What went wrong, for people; null where nothing did. */
    public final String message;

    SampleCheck(String sample, Verdict verdict, boolean inputEqual, OutputCheck worst, boolean sameTop1, boolean notANumber,
            String message) {
        this.sample = sample;
        this.verdict = verdict;
        this.inputEqual = inputEqual;
        this.worst = worst;
        this.sameTop1 = sameTop1;
        this.notANumber = notANumber;
        this.message = message;
    }
}
