package org.tflitekit.demo.camera;

import android.media.Image;
import org.tflitekit.core.image.ArgbImage;
import org.tflitekit.core.image.PixelSource;
import org.tflitekit.core.image.RotatedSource;
import org.tflitekit.core.image.Yuv420;

/** Makes upright pixels of camera frames, in buffers that are reused. */
public final class FrameConverter {
    private final Yuv420 yuv = new Yuv420();
    private final ArgbImage frame = new ArgbImage();
    private final RotatedSource upright = new RotatedSource();
    private int[] argb = new int[0];

    /**
     * Takes over a frame; the image can be closed afterwards.
     *
     * @param image YUV_420_888
     * @param degrees to turn it clockwise
     */
    public void convert(Image image, int degrees) {
        int width = image.getWidth();
        int height = image.getHeight();
        if (argb.length != width * height) {
            argb = new int[width * height];
        }
        Image.Plane[] planes = image.getPlanes();
        yuv.toArgb(planes[0].getBuffer(), planes[1].getBuffer(), planes[2].getBuffer(), planes[0].getRowStride(),
                planes[1].getRowStride(), planes[1].getPixelStride(), width, height, argb);
        frame.set(width, height, argb);
        upright.set(frame, degrees, false);
    }

    /** Returns the last frame; valid until the next one. */
    public PixelSource upright() {
        return upright;
    }
}
