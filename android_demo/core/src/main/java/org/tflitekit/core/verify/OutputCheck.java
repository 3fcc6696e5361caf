package org.tflitekit.core.verify;

import org.tflitekit.core.bundle.TensorSpec;
import org.tflitekit.core.bundle.Tolerance;

/** How far one output is from the host's. */
public final class OutputCheck {
    public final TensorSpec output;
    /** Whether the model has no other output. */
    public final boolean isOnlyOne;
    /** That of the output on what really ran. */
    public final Tolerance tolerance;
    /** Largest of all values, in the tolerance's unit; infinite where only one side is a number. */
    public final double difference;

    OutputCheck(TensorSpec output, boolean isOnlyOne, Tolerance tolerance, double difference) {
        this.output = output;
        this.isOnlyOne = isOnlyOne;
        this.tolerance = tolerance;
        this.difference = difference;
    }

    /** Returns whether the difference is accepted, is too large, or cannot be judged. */
    public Verdict verdict() {
        if (Double.isInfinite(difference) || difference > tolerance.maxDifference) {
            return Verdict.FAILED;
        }
        return tolerance.judges() ? Verdict.PASSED : Verdict.NOT_JUDGED;
    }

    /** Returns the one that is nearer to its bound or farther beyond it, so that outputs of any size compare. */
    static OutputCheck worse(OutputCheck one, OutputCheck other) {
        if (one == null || other == null) {
            return one == null ? other : one;
        }
        int verdicts = one.verdict().compareTo(other.verdict());
        if (verdicts != 0) {
            return verdicts > 0 ? one : other;
        }
        return other.share() > one.share() ? other : one;
    }

    private double share() {
        return difference == 0 ? 0 : tolerance.judges() ? difference / tolerance.maxDifference : difference;
    }
}
