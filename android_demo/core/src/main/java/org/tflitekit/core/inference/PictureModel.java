package org.tflitekit.core.inference;

import java.io.Closeable;
import java.io.IOException;
import org.tflitekit.core.image.PixelSource;

/** A loaded variant that says what it makes of pictures. Not thread-safe. */
public interface PictureModel extends Closeable {
    /**
     * Runs the model on a picture.
     *
     * @throws IOException the picture cannot be read
     * @throws EngineException the runtime fails
     */
    Answer answer(PixelSource picture) throws IOException, EngineException;

    @Override
    void close();
}
