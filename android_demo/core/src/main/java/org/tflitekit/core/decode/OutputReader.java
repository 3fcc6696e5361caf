package org.tflitekit.core.decode;

import org.tflitekit.core.image.Frame;

/** Reads the outputs of one sample. */
interface OutputReader {
    /**
     * Returns what the outputs say.
     *
     * @param outputs real values without batch, in the order of the reader's outputs
     */
    Decoded read(Values[] outputs, Frame frame);
}
