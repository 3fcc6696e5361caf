package org.tflitekit.demo.camera;

import android.view.TextureView;

/** A camera that gives frames. The permission must be there. */
public interface FrameSource {
    /**
     * Shows what the camera sees, and gives frames to a listener. Does nothing when it runs already.
     *
     * @param preview shows the picture
     * @param front the camera on the side of the screen
     */
    void start(TextureView preview, boolean front, FrameListener listener);

    /** Gives the camera back. Does nothing when it does not run. */
    void stop();

    boolean hasFront();

    boolean hasBack();
}
