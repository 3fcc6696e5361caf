package org.tflitekit.core.decode;

import org.tflitekit.core.inference.Answer;

/** What a model found in one picture; a new object for each picture. */
public final class Found extends Answer {
    /** Size of the picture that positions are in. */
    public final int width;
    public final int height;
    public final Decoded decoded;

    public Found(int width, int height, Decoded decoded) {
        this.width = width;
        this.height = height;
        this.decoded = decoded;
    }
}
