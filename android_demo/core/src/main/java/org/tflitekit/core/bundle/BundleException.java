package org.tflitekit.core.bundle;

/** A bundle cannot be used. The message is for people: what is wrong, why, and what to do. */
public final class BundleException extends Exception {
    private static final long serialVersionUID = 1L;

    public BundleException(String message) {
        super(message);
    }

    public BundleException(String message, Throwable cause) {
        super(message, cause);
    }
}
