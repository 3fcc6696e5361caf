package org.tflitekit.demo.camera;

import android.hardware.camera2.CameraAccessException;
import android.hardware.camera2.CameraDevice;

/** What is wrong with a camera, in words. */
final class CameraWords {
    private CameraWords() {}

    static String of(CameraAccessException error) {
        switch (error.getReason()) {
            case CameraAccessException.CAMERA_IN_USE:
                return "Another app uses the camera. Close it and come back to this screen.";
            case CameraAccessException.MAX_CAMERAS_IN_USE:
                return "Too many cameras are in use. Close other apps and come back to this screen.";
            case CameraAccessException.CAMERA_DISABLED:
                return "The cameras of this device are turned off. Turn them on in the system's settings.";
            case CameraAccessException.CAMERA_DISCONNECTED:
                return "The camera was disconnected. Come back to this screen to try again.";
            default:
                return "The camera reports a failure. Close other apps and come back to this screen.";
        }
    }

    /** @param error as of {@link CameraDevice.StateCallback#onError} */
    static String of(int error) {
        switch (error) {
            case CameraDevice.StateCallback.ERROR_CAMERA_IN_USE:
                return "Another app uses the camera. Close it and come back to this screen.";
            case CameraDevice.StateCallback.ERROR_MAX_CAMERAS_IN_USE:
                return "Too many cameras are in use. Close other apps and come back to this screen.";
            case CameraDevice.StateCallback.ERROR_CAMERA_DISABLED:
                return "The cameras of this device are turned off. Turn them on in the system's settings.";
            case CameraDevice.StateCallback.ERROR_CAMERA_SERVICE:
                return "The device's camera service has failed. Restart the device.";
            default:
                return "The camera reports a failure. Close other apps and come back to this screen.";
        }
    }
}
