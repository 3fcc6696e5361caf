package org.tflitekit.core.verify;

/** How a check ended; the later, the worse. */
public enum Verdict {
    /** The device computes what the host computed. */
    PASSED,
    /** The difference is shown, but no bound can be stated. */
    NOT_JUDGED,
    /** The device computes something else. */
    FAILED,
    /** It could not be run. */
    ERROR
}
