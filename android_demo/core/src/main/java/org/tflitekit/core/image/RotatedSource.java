package org.tflitekit.core.image;

import java.io.IOException;

/**
 * An image turned clockwise by 0, 90, 180 or 270 degrees and then, if wanted, mirrored left to right. The object can
 * be given another image.
 */
public final class RotatedSource implements PixelSource {
    /** An image without pixels until {@link #set} is called. */
    public RotatedSource() {}

    public RotatedSource(PixelSource source, int degrees, boolean mirror) {
        set(source, degrees, mirror);
    }

    /**
     * Turns another image.
     *
     * @param degrees clockwise, 0, 90, 180 or 270
     * @param mirror whether the turned image is mirrored left to right
     */
    public void set(PixelSource source, int degrees, boolean mirror) {
        throw new UnsupportedOperationException();
    }

    @Override
    public int width() {
        return 0;
    }

    @Override
    public int height() {
        return 0;
    }

    @Override
    public void readRows(int y, int rows, int[] argb) throws IOException {
        throw new UnsupportedOperationException();
    }
}
