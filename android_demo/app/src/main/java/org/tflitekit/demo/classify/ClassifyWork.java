package org.tflitekit.demo.classify;

import android.graphics.Bitmap;
import android.net.Uri;
import java.io.IOException;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.TensorSpec;
import org.tflitekit.core.image.PixelSource;
import org.tflitekit.core.inference.Classifier;
import org.tflitekit.core.inference.Engine;
import org.tflitekit.core.inference.EngineException;
import org.tflitekit.demo.Services;
import org.tflitekit.demo.image.Photo;
import org.tflitekit.demo.image.PhotoException;
import org.tflitekit.demo.ui.Work;

/** Classifies photos, drawings and camera frames with one variant at a time. */
public final class ClassifyWork extends Work {
    /** Where pictures come from. */
    public enum Source { CAMERA, PHOTO, DRAWING }

    /** Guards the classifier and the result: frames come on the camera's thread. */
    private final Object lock = new Object();
    private final Shown result = new Shown();
    private Classifier classifier;

    private volatile Source source;
    private volatile String variant;
    private volatile String accelerator = "cpu";
    private volatile int threads = 1;
    private volatile boolean opening;
    private volatile Photo photo;
    private volatile Bitmap drawing;
    private volatile String requested;
    private volatile String actual;
    private volatile String detail;
    private volatile boolean front;

    public ClassifyWork(Services services, String bundleName) {
        super(services, bundleName);
    }

    @Override
    protected void onBundle(Bundle loaded) throws BundleException {
        variant = loaded.recommended;
        if (source == null) {
            source = isGrey(loaded) ? Source.DRAWING : Source.CAMERA;
        }
        open();
    }

    /** Models of grey images are most often of digits or letters. */
    private static boolean isGrey(Bundle loaded) {
        TensorSpec input = loaded.variants.get(0).inputs.get(0);
        int rank = input.rank();
        return loaded.takesImages() && (rank == 3 || input.dimension(rank - 1) == 1 || input.dimension(1) == 1);
    }

    /** Loads what is chosen, and classifies the last picture with it. On the background thread. */
    private void open() {
        Bundle bundle = bundle();
        if (bundle == null) {
            return;
        }
        opening = true;
        requested = null;
        changed();
        closeClassifier();
        try {
            Engine engine = services.engines().open(bundle, bundle.variant(variant), accelerator, threads);
            Classifier opened;
            try {
                opened = new Classifier(bundle, bundle.variant(variant), engine);
            } catch (BundleException error) {
                engine.close();
                throw error;
            }
            requested = engine.requestedAccelerator();
            actual = engine.actualAccelerator();
            detail = engine.accelerationDetail();
            synchronized (lock) {
                classifier = opened;
            }
            solved();
            again();
        } catch (BundleException error) {
            fail(error.getMessage());
        } catch (EngineException error) {
            fail(error.getMessage());
        } finally {
            opening = false;
        }
    }

    private void closeClassifier() {
        synchronized (lock) {
            if (classifier != null) {
                classifier.close();
                classifier = null;
            }
            result.clear();
        }
    }

    /** Classifies the picture that is shown. */
    private void again() {
        Photo last = source == Source.PHOTO ? photo
                : source == Source.DRAWING && drawing != null ? services.photos().of(Drawings.cut(drawing)) : null;
        if (last != null) {
            classify(last.pixels, false);
        }
    }

    private void classify(PixelSource pixels, boolean smooth) {
        try {
            synchronized (lock) {
                if (classifier == null || isClosed()) {
                    return;
                }
                result.set(classifier.classify(pixels), smooth);
            }
            if (!smooth) {
                solved();
            }
        } catch (IOException error) {
            fail("The image cannot be read: " + error.getMessage());
        } catch (EngineException error) {
            fail(error.getMessage());
        }
        changed();
    }

    /** Classifies a frame, on the camera's thread. */
    public void frame(PixelSource upright) {
        if (source == Source.CAMERA) {
            classify(upright, true);
        }
    }

    public void cameraProblem(String words) {
        fail(words);
    }

    public void choosePhoto(final Uri uri) {
        setSource(Source.PHOTO);
        run(new Runnable() {
            @Override
            public void run() {
                try {
                    photo = services.photos().load(uri);
                    solved();
                    again();
                } catch (PhotoException error) {
                    photo = null;
                    clear();
                    fail(error.getMessage());
                }
            }
        });
    }

    void draw(final Bitmap picture) {
        run(new Runnable() {
            @Override
            public void run() {
                drawing = picture;
                if (picture == null) {
                    clear();
                } else {
                    again();
                }
            }
        });
    }

    private void clear() {
        synchronized (lock) {
            result.clear();
        }
    }

    public void setSource(final Source wanted) {
        if (source == wanted) {
            return;
        }
        source = wanted;
        run(new Runnable() {
            @Override
            public void run() {
                clear();
                if (requested != null) {
                    solved();
                }
                again();
            }
        });
    }

    void setVariant(String name) {
        variant = name;
        reopen();
    }

    void setAccelerator(String name) {
        accelerator = name;
        reopen();
    }

    void setThreads(int count) {
        threads = count;
        reopen();
    }

    public void setFront(boolean wanted) {
        front = wanted;
    }

    private void reopen() {
        run(new Runnable() {
            @Override
            public void run() {
                open();
            }
        });
    }

    /** Copies the last result. */
    void copyResult(Shown to) {
        synchronized (lock) {
            to.set(result);
        }
    }

    public Source source() {
        return source;
    }

    String variant() {
        return variant;
    }

    String accelerator() {
        return accelerator;
    }

    int threads() {
        return threads;
    }

    boolean isOpening() {
        return opening;
    }

    public boolean isFront() {
        return front;
    }

    public Photo photo() {
        return photo;
    }

    Bitmap drawing() {
        return drawing;
    }

    /** Returns what was asked for and is loaded; null where nothing is. */
    String requested() {
        return requested;
    }

    String actual() {
        return actual;
    }

    String detail() {
        return detail;
    }

    @Override
    protected void onClose() {
        closeClassifier();
    }
}
