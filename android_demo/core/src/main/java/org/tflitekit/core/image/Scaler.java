package org.tflitekit.core.image;

import java.io.IOException;

/** Crops and resizes an image onto a target; reused from image to image. */
interface Scaler {
    /** Prepares for sources of another size. */
    void prepare(Placement placement);

    void scale(PixelSource source, TargetPixels target) throws IOException;
}
