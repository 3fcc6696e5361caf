package org.tflitekit.demo.camera;

import android.content.Context;
import android.graphics.ImageFormat;
import android.graphics.Matrix;
import android.graphics.SurfaceTexture;
import android.hardware.camera2.CameraAccessException;
import android.hardware.camera2.CameraCaptureSession;
import android.hardware.camera2.CameraCharacteristics;
import android.hardware.camera2.CameraDevice;
import android.hardware.camera2.CameraManager;
import android.hardware.camera2.CaptureRequest;
import android.hardware.camera2.params.StreamConfigurationMap;
import android.hardware.display.DisplayManager;
import android.media.Image;
import android.media.ImageReader;
import android.os.Handler;
import android.os.HandlerThread;
import android.util.Size;
import android.view.Surface;
import android.view.TextureView;
import android.view.WindowManager;
import java.util.Arrays;

/** The device's cameras through Camera2. One thread opens them and hands out frames; the buffers are reused. */
public final class CameraFrames implements FrameSource {
    private static final int FRAME_WIDTH = 640;
    private static final int FRAME_HEIGHT = 480;

    private final CameraManager manager;
    private final WindowManager windows;
    private final DisplayManager displays;
    private HandlerThread thread;
    private Session session;

    public CameraFrames(Context context) {
        manager = (CameraManager) context.getSystemService(Context.CAMERA_SERVICE);
        windows = (WindowManager) context.getSystemService(Context.WINDOW_SERVICE);
        displays = (DisplayManager) context.getSystemService(Context.DISPLAY_SERVICE);
    }

    @Override
    public boolean hasFront() {
        return find(CameraCharacteristics.LENS_FACING_FRONT) != null;
    }

    @Override
    public boolean hasBack() {
        return find(CameraCharacteristics.LENS_FACING_BACK) != null;
    }

    @Override
    public void start(TextureView preview, boolean front, FrameListener listener) {
        if (session != null) {
            return;
        }
        String id = find(front ? CameraCharacteristics.LENS_FACING_FRONT : CameraCharacteristics.LENS_FACING_BACK);
        if (id == null) {
            listener.onCameraError("This device has no " + (front ? "front" : "back")
                    + " camera. Choose a photo or draw instead.");
            return;
        }
        thread = new HandlerThread("camera");
        thread.start();
        session = new Session(id, preview, listener, new Handler(thread.getLooper()));
        session.begin();
    }

    @Override
    public void stop() {
        if (session == null) {
            return;
        }
        session.end();
        session = null;
        thread.quitSafely();
        thread = null;
    }

    /** Returns a camera's name, any that faces that way; null where there is none. */
    private String find(int facing) {
        if (manager == null) {
            return null;
        }
        try {
            for (String id : manager.getCameraIdList()) {
                Integer found = manager.getCameraCharacteristics(id).get(CameraCharacteristics.LENS_FACING);
                if (found != null && found == facing) {
                    return id;
                }
            }
        } catch (CameraAccessException | IllegalArgumentException error) {
            return null; // opening it will say why
        }
        return null;
    }

    /** One camera from opening to closing. All but {@link #begin} and {@link #end} runs on the camera's thread. */
    private final class Session
            implements ImageReader.OnImageAvailableListener, TextureView.SurfaceTextureListener, DisplayManager.DisplayListener {
        private final String id;
        private final TextureView preview;
        private final FrameListener listener;
        private final Handler handler;
        private final FrameConverter converter = new FrameConverter();
        private volatile boolean ended;
        private CameraDevice camera;
        private ImageReader reader;
        private Surface surface;
        private Size size;
        private int mounted;
        private boolean facesFront;
        private boolean focuses;
        private volatile int turn;

        Session(String id, TextureView preview, FrameListener listener, Handler handler) {
            this.id = id;
            this.preview = preview;
            this.listener = listener;
            this.handler = handler;
        }

        void begin() {
            preview.setSurfaceTextureListener(this);
            displays.registerDisplayListener(this, null);
            if (preview.isAvailable()) {
                open(preview.getSurfaceTexture());
            }
        }

        void end() {
            ended = true;
            preview.setSurfaceTextureListener(null);
            displays.unregisterDisplayListener(this);
            handler.post(new Runnable() {
                @Override
                public void run() {
                    close();
                }
            });
        }

        private void close() {
            if (camera != null) {
                camera.close();
                camera = null;
            }
            if (reader != null) {
                reader.close();
                reader = null;
            }
            if (surface != null) {
                surface.release();
                surface = null;
            }
        }

        private void open(final SurfaceTexture texture) {
            try {
                CameraCharacteristics facts = manager.getCameraCharacteristics(id);
                size = nearestSize(facts);
                read(facts);
                face();
                texture.setDefaultBufferSize(size.getWidth(), size.getHeight());
                reader = ImageReader.newInstance(size.getWidth(), size.getHeight(), ImageFormat.YUV_420_888, 2);
                reader.setOnImageAvailableListener(this, handler);
                manager.openCamera(id, new CameraDevice.StateCallback() {
                    @Override
                    public void onOpened(CameraDevice opened) {
                        camera = opened;
                        if (ended) {
                            close();
                        } else {
                            surface = new Surface(texture);
                            stream();
                        }
                    }

                    @Override
                    public void onDisconnected(CameraDevice lost) {
                        lost.close();
                        camera = null;
                        fail("Another app has taken the camera. Come back to this screen to use it again.");
                    }

                    @Override
                    public void onError(CameraDevice broken, int error) {
                        broken.close();
                        camera = null;
                        fail(CameraWords.of(error));
                    }
                }, handler);
            } catch (CameraAccessException error) {
                fail(CameraWords.of(error));
            } catch (SecurityException error) {
                fail("The app may not use the camera. Allow it in the system's settings, or choose a photo.");
            } catch (RuntimeException error) {
                fail("The camera cannot be used (" + error.getMessage() + "). Choose a photo or draw instead.");
            }
        }

        @SuppressWarnings("deprecation") // what replaces it needs API 28
        private void stream() {
            try {
                final CaptureRequest.Builder request = camera.createCaptureRequest(CameraDevice.TEMPLATE_PREVIEW);
                request.addTarget(surface);
                request.addTarget(reader.getSurface());
                if (focuses) {
                    request.set(CaptureRequest.CONTROL_AF_MODE, CaptureRequest.CONTROL_AF_MODE_CONTINUOUS_PICTURE);
                }
                camera.createCaptureSession(Arrays.asList(surface, reader.getSurface()),
                        new CameraCaptureSession.StateCallback() {
                            @Override
                            public void onConfigured(CameraCaptureSession configured) {
                                try {
                                    if (!ended) {
                                        configured.setRepeatingRequest(request.build(), null, handler);
                                    }
                                } catch (CameraAccessException error) {
                                    fail(CameraWords.of(error));
                                } catch (IllegalStateException error) {
                                    fail("The camera was closed while it started. Come back to this screen.");
                                }
                            }

                            @Override
                            public void onConfigureFailed(CameraCaptureSession refused) {
                                fail("The camera cannot give pictures of " + size + ". Choose a photo or draw instead.");
                            }
                        }, handler);
            } catch (CameraAccessException error) {
                fail(CameraWords.of(error));
            } catch (IllegalStateException error) {
                fail("The camera was closed while it started. Come back to this screen.");
            }
        }

        private void fail(String words) {
            if (!ended) {
                listener.onCameraError(words);
            }
        }

        @Override
        public void onImageAvailable(ImageReader source) {
            if (ended) {
                return;
            }
            Image image;
            try {
                image = source.acquireLatestImage();
            } catch (IllegalStateException error) {
                return; // closed in between
            }
            if (image == null) {
                return;
            }
            try {
                converter.convert(image, turn);
            } finally {
                image.close();
            }
            listener.onFrame(converter.upright());
        }

        private Size nearestSize(CameraCharacteristics facts) {
            StreamConfigurationMap map = facts.get(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP);
            Size[] sizes = map == null ? null : map.getOutputSizes(ImageFormat.YUV_420_888);
            Size best = new Size(FRAME_WIDTH, FRAME_HEIGHT);
            long smallest = Long.MAX_VALUE;
            for (Size one : sizes == null ? new Size[0] : sizes) {
                long apart = Math.abs((long) one.getWidth() * one.getHeight() - FRAME_WIDTH * FRAME_HEIGHT);
                if (apart < smallest) {
                    smallest = apart;
                    best = one;
                }
            }
            return best;
        }

        private void read(CameraCharacteristics facts) {
            Integer sensor = facts.get(CameraCharacteristics.SENSOR_ORIENTATION);
            Integer facing = facts.get(CameraCharacteristics.LENS_FACING);
            int[] modes = facts.get(CameraCharacteristics.CONTROL_AF_AVAILABLE_MODES);
            mounted = sensor == null ? 90 : sensor;
            facesFront = facing != null && facing == CameraCharacteristics.LENS_FACING_FRONT;
            for (int mode : modes == null ? new int[0] : modes) {
                focuses |= mode == CaptureRequest.CONTROL_AF_MODE_CONTINUOUS_PICTURE;
            }
        }

        /** Turns frames and preview as the screen is turned now. */
        private void face() {
            int screen = screenDegrees();
            turn = Math.floorMod(facesFront ? mounted + screen : mounted - screen, 360);
            fit(screen);
        }

        /** Half a turn of the device changes no configuration, so that no activity hears of it. */
        @Override
        public void onDisplayChanged(int display) {
            if (size != null && !ended) {
                face();
            }
        }

        @Override
        public void onDisplayAdded(int display) {}

        @Override
        public void onDisplayRemoved(int display) {}

        @SuppressWarnings("deprecation") // what replaces it needs API 30
        private int screenDegrees() {
            switch (windows.getDefaultDisplay().getRotation()) {
                case Surface.ROTATION_90:
                    return 90;
                case Surface.ROTATION_180:
                    return 180;
                case Surface.ROTATION_270:
                    return 270;
                default:
                    return 0;
            }
        }

        /** Fills the view with the picture: the view stretches it to its own shape and assumes an upright screen. */
        private void fit(final int screen) {
            final Size picture = mounted % 180 == 0 ? size : new Size(size.getHeight(), size.getWidth());
            preview.post(new Runnable() {
                @Override
                public void run() {
                    if (preview.getWidth() > 0 && preview.getHeight() > 0) {
                        preview.setTransform(transform(preview.getWidth(), preview.getHeight(), picture, screen));
                    }
                }
            });
        }

        @Override
        public void onSurfaceTextureAvailable(SurfaceTexture texture, int width, int height) {
            open(texture);
        }

        @Override
        public void onSurfaceTextureSizeChanged(SurfaceTexture texture, int width, int height) {
            if (size != null) {
                fit(screenDegrees());
            }
        }

        @Override
        public boolean onSurfaceTextureDestroyed(SurfaceTexture texture) {
            return true;
        }

        @Override
        public void onSurfaceTextureUpdated(SurfaceTexture texture) {}
    }

    /**
     * Returns what makes a camera's picture fill a view, upright and in its own shape.
     *
     * @param picture of the camera as an upright device shows it
     * @param screen degrees that the screen is turned by
     */
    static Matrix transform(int width, int height, Size picture, int screen) {
        Matrix matrix = new Matrix();
        float centerX = width / 2f;
        float centerY = height / 2f;
        // The view shows the picture of an upright device, stretched to its size: undo that, turn, and cover the view.
        boolean lying = screen == 90 || screen == 270;
        float pictureWidth = picture.getWidth();
        float pictureHeight = picture.getHeight();
        matrix.postScale(pictureWidth / width, pictureHeight / height, centerX, centerY);
        matrix.postRotate(-screen, centerX, centerY);
        float shownWidth = lying ? pictureHeight : pictureWidth;
        float shownHeight = lying ? pictureWidth : pictureHeight;
        float scale = Math.max(width / shownWidth, height / shownHeight);
        matrix.postScale(scale, scale, centerX, centerY);
        return matrix;
    }
}
