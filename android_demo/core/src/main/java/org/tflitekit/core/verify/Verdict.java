package org.tflitekit.core.verify;

/** How a check ended. */
public enum Verdict {
    /** The device computes what the host computed. */
    PASSED,
    /** It does not. */
    FAILED,
    /** The difference is shown, but no bound can be stated. */
    NOT_JUDGED,
    /** It could not be run. */
    ERROR
}
