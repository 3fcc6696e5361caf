package org.tflitekit.demo.classify;

import android.graphics.Bitmap;
import android.net.Uri;
import java.io.IOException;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.TensorSpec;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.core.decode.Finder;
import org.tflitekit.core.image.PixelSource;
import org.tflitekit.core.inference.Answer;
import org.tflitekit.core.inference.Classifier;
import org.tflitekit.core.inference.Engine;
import org.tflitekit.core.inference.EngineException;
import org.tflitekit.core.inference.PictureModel;
import org.tflitekit.demo.device.Services;
import org.tflitekit.demo.image.Photo;
import org.tflitekit.demo.image.PhotoException;
import org.tflitekit.demo.ui.Work;

/** Runs one variant at a time on photos, drawings and camera frames. */
public final class ClassifyWork extends Work {
    /** Where pictures come from. */
    public enum Source { CAMERA, PHOTO, DRAWING }

    /** More often nobody can read new figures. */
    private static final long RENDER_NANOS = 100_000_000;

    /** Below it, scores say little; the page of a report draws from the same on. */
    private static final float THRESHOLD = 0.25f;

    /** Guards the model: frames come on the camera's thread. The main thread never waits for it. */
    private final Object lock = new Object();
    /** Guards itself, for the moment of a copy. */
    private final Shown result = new Shown();
    private PictureModel model;

    /** Guards the choice of a source: a photo may be shared while the bundle is read, which chooses one where there is none. */
    private final Object choosing = new Object();
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
    private volatile float threshold = THRESHOLD;
    private volatile boolean reading;
    private volatile String cameraProblem;
    private long rendered;

    public ClassifyWork(Services services, String bundleName) {
        super(services, bundleName);
    }

    @Override
    protected void onBundle(Bundle loaded) throws BundleException {
        variant = loaded.recommended;
        synchronized (choosing) {
            if (source == null) {
                source = isGrey(loaded) ? Source.DRAWING : Source.CAMERA;
            }
        }
        open();
    }

    /** Models of grey images are most often of digits or letters. */
    private static boolean isGrey(Bundle loaded) {
        TensorSpec input = loaded.variants.get(0).inputs.get(0);
        int rank = input.rank();
        return loaded.takesImages() && (rank == 3 || input.dimension(rank - 1) == 1 || input.dimension(1) == 1);
    }

    /** Loads what is chosen, and runs it on the last picture. On the background thread. */
    private void open() {
        Bundle bundle = bundle();
        if (bundle == null) {
            return;
        }
        opening = true;
        requested = null;
        changed();
        closeModel();
        try {
            Variant wanted = bundle.variant(variant);
            Engine engine = services.engines().open(bundle, wanted, accelerator, threads);
            PictureModel opened;
            try {
                opened = bundle.decodes() ? new Finder(bundle, wanted, engine) : new Classifier(bundle, wanted, engine);
            } catch (BundleException error) {
                engine.close();
                throw error;
            }
            requested = engine.requestedAccelerator();
            actual = engine.actualAccelerator();
            detail = engine.accelerationDetail();
            synchronized (lock) {
                model = opened;
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

    private void closeModel() {
        synchronized (lock) {
            if (model != null) {
                model.close();
                model = null;
            }
        }
        clear();
    }

    /** Runs the model on the picture that is shown. */
    private void again() {
        Photo last = source == Source.PHOTO ? photo
                : source == Source.DRAWING && drawing != null ? services.photos().of(drawn(drawing)) : null;
        if (last != null) {
            answer(last.pixels, false);
            changed();
        }
    }

    /** Classifiers of drawings know one thing that fills the picture; where others find something is shown in the whole. */
    private Bitmap drawn(Bitmap whole) {
        return bundle().decodes() ? whole : Drawings.cut(whole);
    }

    private void answer(PixelSource pixels, boolean smooth) {
        try {
            synchronized (lock) {
                if (model == null || isClosed()) {
                    return;
                }
                Answer answer = model.answer(pixels);
                synchronized (result) {
                    result.set(answer, smooth);
                }
            }
            if (!smooth) {
                solved();
            }
        } catch (IOException error) {
            fail("The image cannot be read: " + error.getMessage());
        } catch (EngineException error) {
            fail(error.getMessage());
        }
    }

    /** Runs the model on a frame, on the camera's thread. */
    public void frame(PixelSource upright) {
        if (source != Source.CAMERA) {
            return;
        }
        try {
            answer(upright, true);
        } catch (RuntimeException error) {
            fail("Something unexpected happened (" + error + ").");
        }
        boolean recovered = cameraProblem != null;
        cameraProblem = null;
        long now = System.nanoTime();
        if (recovered || now - rendered >= RENDER_NANOS) {
            rendered = now;
            changed();
        }
    }

    /** @param words what is wrong with the camera, until it gives a frame again */
    public void cameraProblem(String words) {
        cameraProblem = words;
        changed();
    }

    public void choosePhoto(final Uri uri) {
        photo = null;
        reading = true;
        clear();
        setSource(Source.PHOTO);
        changed();
        run(new Runnable() {
            @Override
            public void run() {
                clear();
                try {
                    photo = services.photos().load(uri);
                    if (requested != null) {
                        solved(); // otherwise the screen says why no model is loaded
                    }
                    changed(); // a large photo is seen before the model is run on it
                    again();
                } catch (PhotoException error) {
                    fail(error.getMessage());
                } finally {
                    reading = false;
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
        synchronized (result) {
            result.clear();
        }
    }

    public void setSource(final Source wanted) {
        synchronized (choosing) {
            if (source == wanted) {
                return;
            }
            source = wanted;
        }
        cameraProblem = null;
        clear(); // it lies elsewhere in its picture than in the next one
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

    void setThreshold(float score) {
        threshold = score;
        changed();
    }

    /** Returns the score from which on objects and keypoints are shown. */
    float threshold() {
        return threshold;
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
        synchronized (result) {
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

    /** Returns whether a photo is being read. */
    boolean isReading() {
        return reading;
    }

    /** Returns what is wrong with the camera, for people; null where nothing is. */
    String cameraProblem() {
        return cameraProblem;
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
        closeModel();
    }
}
