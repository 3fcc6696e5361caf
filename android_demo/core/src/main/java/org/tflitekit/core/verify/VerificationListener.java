package org.tflitekit.core.verify;

/** Follows a verification. Called on the thread that runs it. */
public interface VerificationListener {
    /** An image was checked. */
    void image(ImageCheck check);

    /** A variant was checked on an accelerator. */
    void run(RunCheck check);

    /** Returns whether to go on. */
    boolean proceed();
}
