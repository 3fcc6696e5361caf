package org.tflitekit.core.verify;

import java.io.IOException;
import org.tflitekit.core.image.PixelSource;

/** Decodes image files as the device does, without turning them upright by their EXIF orientation. */
public interface ImageDecoder {
    /** @throws IOException the file is no image that can be decoded; the message is for people */
    PixelSource decode(byte[] file) throws IOException;
}
