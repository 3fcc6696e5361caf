package org.tflitekit.demo.image;

/** A photo that cannot be shown. The message is for people. */
public final class PhotoException extends Exception {
    private static final long serialVersionUID = 1L;

    public PhotoException(String message, Throwable cause) {
        super(message, cause);
    }
}
