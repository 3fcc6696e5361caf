package org.tflitekit.demo;

import android.Manifest;
import android.annotation.TargetApi;
import android.content.ActivityNotFoundException;
import android.content.Intent;
import android.content.pm.PackageManager;
import android.net.Uri;
import android.os.Build;
import android.provider.MediaStore;
import android.provider.Settings;
import android.view.TextureView;
import android.view.View;
import org.tflitekit.core.image.PixelSource;
import org.tflitekit.demo.camera.FrameListener;
import org.tflitekit.demo.camera.FrameSource;
import org.tflitekit.demo.classify.ClassifyScreen;
import org.tflitekit.demo.classify.ClassifyWork.Source;
import org.tflitekit.demo.classify.ClassifyWork;
import org.tflitekit.demo.device.Services;
import org.tflitekit.demo.ui.ScreenActivity;

/** Runs the model on what the camera sees, photos, drawings, and images that other apps share. */
public final class ClassifyActivity extends ScreenActivity<ClassifyWork> {
    private static final int CAMERA = 1;
    private static final int PHOTO = 2;

    private ClassifyScreen screen;
    private FrameSource camera;
    private boolean hasBack;
    private boolean hasFront;
    private boolean resumed;
    private boolean streaming;

    @Override
    protected int layout() {
        return R.layout.classify;
    }

    @Override
    protected ClassifyWork newWork(Services services, String bundleName) {
        return new ClassifyWork(services, bundleName);
    }

    @Override
    protected void onViews() {
        stopCamera();
        camera = services().camera(this);
        countCameras();
        screen = new ClassifyScreen(this, work(), services().engines().accelerators());
        onClick(R.id.source_camera, new Runnable() {
            @Override
            public void run() {
                choose(Source.CAMERA);
            }
        });
        onClick(R.id.source_photo, new Runnable() {
            @Override
            public void run() {
                choose(Source.PHOTO);
                if (work().photo() == null) {
                    pickPhoto();
                }
            }
        });
        onClick(R.id.source_draw, new Runnable() {
            @Override
            public void run() {
                choose(Source.DRAWING);
            }
        });
        onClick(R.id.switch_camera, new Runnable() {
            @Override
            public void run() {
                work().setFront(!work().isFront());
                stopCamera();
                render();
            }
        });
        onClick(R.id.stage_action, new Runnable() {
            @Override
            public void run() {
                if (work().source() == Source.PHOTO) {
                    pickPhoto();
                } else {
                    askForCamera();
                }
            }
        });
    }

    private void onClick(int id, final Runnable action) {
        findViewById(id).setOnClickListener(new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                action.run();
            }
        });
    }

    @Override
    protected void begin(Intent intent) {
        if (Intent.ACTION_SEND.equals(intent.getAction())) {
            Uri shared = shared(intent);
            if (shared != null) {
                work().choosePhoto(shared);
            }
        }
    }

    @SuppressWarnings("deprecation") // what replaces it needs API 33 and differs in the check of the type only
    private static Uri shared(Intent intent) {
        Object stream = intent.getParcelableExtra(Intent.EXTRA_STREAM);
        return stream instanceof Uri ? (Uri) stream : null;
    }

    /** Asks the system, which takes too long for each frame. */
    private void countCameras() {
        hasBack = camera.hasBack();
        hasFront = camera.hasFront();
    }

    private boolean hasCamera() {
        return hasBack || hasFront;
    }

    private boolean usesFront() {
        return !hasBack || work().isFront() && hasFront;
    }

    private boolean hasPermission() {
        return checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED;
    }

    private void choose(Source source) {
        work().setSource(source);
        if (source == Source.CAMERA && !hasPermission()) {
            requestPermissions(new String[] {Manifest.permission.CAMERA}, CAMERA);
        }
        render();
    }

    /** Asks, or leads to the settings where the system does not ask any more. */
    private void askForCamera() {
        if (screen.isDeniedForGood()) {
            startActivity(new Intent(Settings.ACTION_APPLICATION_DETAILS_SETTINGS,
                    Uri.fromParts("package", getPackageName(), null)));
        } else {
            requestPermissions(new String[] {Manifest.permission.CAMERA}, CAMERA);
        }
    }

    @Override
    public void onRequestPermissionsResult(int request, String[] permissions, int[] results) {
        if (request == CAMERA && results.length > 0) {
            screen.setDeniedForGood(results[0] != PackageManager.PERMISSION_GRANTED
                    && !shouldShowRequestPermissionRationale(Manifest.permission.CAMERA));
            render();
        }
    }

    private void pickPhoto() {
        Intent intent = Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU ? photoPicker()
                : new Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("image/*");
        try {
            startActivityForResult(intent, PHOTO);
        } catch (ActivityNotFoundException error) {
            pickAnywhere();
        }
    }

    private void pickAnywhere() {
        try {
            startActivityForResult(new Intent(Intent.ACTION_GET_CONTENT).setType("image/*"), PHOTO);
        } catch (ActivityNotFoundException error) {
            screen.setHint(getString(R.string.no_picker));
            render();
        }
    }

    @TargetApi(33)
    private static Intent photoPicker() {
        return new Intent(MediaStore.ACTION_PICK_IMAGES).setType("image/*");
    }

    @Override
    protected void onActivityResult(int request, int result, Intent data) {
        if (request == PHOTO && result == RESULT_OK && data != null && data.getData() != null) {
            work().choosePhoto(data.getData());
        }
    }

    @Override
    protected void onResume() {
        super.onResume();
        resumed = true;
        countCameras();
        render();
    }

    @Override
    protected void onPause() {
        resumed = false;
        stopCamera();
        super.onPause();
    }

    private void stopCamera() {
        if (streaming) {
            streaming = false;
            camera.stop();
        }
    }

    @Override
    protected void render() {
        boolean wanted = resumed && work().source() == Source.CAMERA && hasPermission() && hasCamera();
        screen.render(hasPermission(), hasCamera(), hasFront && hasBack, usesFront());
        showProblem(screen.problem());
        if (wanted && !streaming) {
            startCamera();
        } else if (!wanted) {
            stopCamera();
        }
    }

    private void startCamera() {
        streaming = true;
        final ClassifyWork receiver = work();
        camera.start((TextureView) findViewById(R.id.camera), usesFront(), new FrameListener() {
            @Override
            public void onFrame(PixelSource upright) {
                receiver.frame(upright);
            }

            @Override
            public void onCameraError(String words) {
                receiver.cameraProblem(words);
            }
        });
    }
}
