package org.tflitekit.core.bundle;

/** How far outputs on a device may be from the host's. */
public final class Tolerance {
    /** Largest difference that still passes; NaN where no bound can be stated, so nothing is judged. */
    public final double maxDifference;
    /** "steps": of the stored integers; "real": absolute, of the real values. */
    public final String unit;
    /** Why this bound, for people. */
    public final String reason;

    public Tolerance(double maxDifference, String unit, String reason) {
        this.maxDifference = maxDifference;
        this.unit = unit;
        this.reason = reason;
    }

    /** Returns whether a bound is stated. */
    public boolean judges() {
        return !Double.isNaN(maxDifference);
    }

    /** Returns whether differences are counted in steps of stored integers. */
    public boolean inSteps() {
        return "steps".equals(unit);
    }
}
