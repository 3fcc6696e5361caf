package org.tflitekit.demo.camera;

import org.tflitekit.core.image.PixelSource;

/** Receives frames on the camera's thread. While one is worked on, the next ones are dropped. */
public interface FrameListener {
    /** @param upright the frame as a person sees it; valid during the call only */
    void onFrame(PixelSource upright);

    /** @param words what happened and what to do, for people */
    void onCameraError(String words);
}
