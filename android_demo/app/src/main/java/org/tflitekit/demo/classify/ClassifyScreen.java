package org.tflitekit.demo.classify;

import android.app.Activity;
import android.view.View;
import android.widget.Button;
import android.widget.ImageView;
import android.widget.Spinner;
import android.widget.TextView;
import java.util.List;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.demo.R;
import org.tflitekit.demo.classify.ClassifyWork.Source;
import org.tflitekit.demo.ui.Choice;
import org.tflitekit.demo.ui.Words;

/** The views of the classify screen. */
public final class ClassifyScreen {
    private final Activity activity;
    private final ClassifyWork work;
    private final List<String> accelerators;
    private final Shown shown = new Shown();
    private final ResultView result;
    private final FoundView found;
    private final ThresholdView threshold;
    private final DrawingView drawing;
    private final Choice<String> variant;
    private final Choice<String> accelerator;
    private final Choice<Integer> threads;
    private boolean deniedForGood;
    private String hint;

    public ClassifyScreen(Activity activity, final ClassifyWork work, List<String> accelerators) {
        this.activity = activity;
        this.work = work;
        this.accelerators = accelerators;
        result = new ResultView(activity);
        found = (FoundView) activity.findViewById(R.id.found);
        threshold = new ThresholdView(activity, work);
        activity.findViewById(R.id.stage).setClipToOutline(true);
        drawing = (DrawingView) activity.findViewById(R.id.drawing);
        drawing.setPicture(work.drawing());
        drawing.setListener(new DrawingView.Listener() {
            @Override
            public void onDrawn() {
                work.draw(drawing.picture());
            }
        });
        activity.findViewById(R.id.clear).setOnClickListener(new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                drawing.clear();
                work.draw(null);
            }
        });
        variant = new Choice<String>((Spinner) activity.findViewById(R.id.variant), new Choice.Listener<String>() {
            @Override
            public void onChosen(String value) {
                work.setVariant(value);
            }
        });
        accelerator = new Choice<String>((Spinner) activity.findViewById(R.id.accelerator), new Choice.Listener<String>() {
            @Override
            public void onChosen(String value) {
                work.setAccelerator(value);
            }
        });
        threads = new Choice<Integer>((Spinner) activity.findViewById(R.id.threads), new Choice.Listener<Integer>() {
            @Override
            public void onChosen(Integer value) {
                work.setThreads(value);
            }
        });
    }

    public void setDeniedForGood(boolean value) {
        deniedForGood = value;
    }

    public boolean isDeniedForGood() {
        return deniedForGood;
    }

    public void setHint(String words) {
        hint = words;
    }

    /** Returns what is wrong, for people; null where nothing is. */
    public String problem() {
        if (work.problem() != null) {
            return work.problem();
        }
        if (work.cameraProblem() != null) {
            return work.cameraProblem();
        }
        return shown.warning != null ? shown.warning : hint;
    }

    public void render(boolean permitted, boolean hasCamera, boolean severalCameras, boolean mirrored) {
        Source source = work.source();
        select(R.id.source_camera, source == Source.CAMERA);
        select(R.id.source_photo, source == Source.PHOTO);
        select(R.id.source_draw, source == Source.DRAWING);
        boolean live = source == Source.CAMERA && permitted && hasCamera;
        show(R.id.camera, live);
        show(R.id.switch_camera, live && severalCameras);
        show(R.id.drawing, source == Source.DRAWING);
        show(R.id.clear, source == Source.DRAWING && work.drawing() != null);
        boolean hasPhoto = work.photo() != null;
        show(R.id.photo, source == Source.PHOTO && hasPhoto);
        ((ImageView) activity.findViewById(R.id.photo)).setImageBitmap(hasPhoto ? work.photo().preview : null);
        hint(source, permitted, hasCamera);
        action(source, permitted, hasCamera);
        work.copyResult(shown);
        result(work.bundle(), place(source, mirrored));
        settings(work.bundle());
    }

    private static PicturePlace place(Source source, boolean mirrored) {
        if (source != Source.CAMERA) {
            return PicturePlace.FITS;
        }
        return mirrored ? PicturePlace.COVERS_MIRRORED : PicturePlace.COVERS;
    }

    private void result(Bundle bundle, PicturePlace place) {
        threshold.show(bundle != null && bundle.decodes() && !"segmentation".equals(bundle.task));
        ((TextView) activity.findViewById(R.id.title)).setText(title(bundle));
        if (bundle == null || shown.found == null) {
            found.show(null, null, 0, place);
            result.show(shown, bundle != null && bundle.isBinary());
            return;
        }
        Findings findings = new Findings(activity, shown.found, bundle.labels, work.threshold());
        found.show(shown.found, bundle.labels, work.threshold(), place);
        found.setContentDescription(findings.spoken());
        result.show(shown, findings);
    }

    private static int title(Bundle bundle) {
        if (bundle == null || !bundle.decodes()) {
            return R.string.tab_classify;
        }
        switch (bundle.task) {
            case "detection":
                return R.string.title_detection;
            case "segmentation":
                return R.string.title_segmentation;
            default:
                return R.string.title_keypoints;
        }
    }

    private void hint(Source source, boolean permitted, boolean hasCamera) {
        String words = null;
        if (source == Source.DRAWING && work.drawing() == null) {
            words = activity.getString(R.string.draw_hint);
        } else if (source == Source.PHOTO && work.isReading()) {
            words = activity.getString(R.string.reading_photo);
        } else if (source == Source.CAMERA && !hasCamera) {
            words = activity.getString(R.string.no_camera);
        } else if (source == Source.CAMERA && !permitted) {
            words = activity.getString(deniedForGood ? R.string.camera_denied : R.string.why_camera);
        }
        TextView view = (TextView) activity.findViewById(R.id.stage_hint);
        view.setVisibility(words == null ? View.GONE : View.VISIBLE);
        if (words != null) {
            view.setText(words);
        }
    }

    private void action(Source source, boolean permitted, boolean hasCamera) {
        Button button = (Button) activity.findViewById(R.id.stage_action);
        boolean asks = source == Source.CAMERA && !permitted && hasCamera;
        button.setVisibility(asks || source == Source.PHOTO ? View.VISIBLE : View.GONE);
        if (source == Source.PHOTO) {
            button.setText(work.photo() == null ? R.string.choose_photo : R.string.another_photo);
        } else if (asks) {
            button.setText(deniedForGood ? R.string.open_settings : R.string.allow_camera);
        }
    }

    private void settings(Bundle bundle) {
        TextView runsOn = (TextView) activity.findViewById(R.id.runs_on);
        if (bundle == null) {
            runsOn.setText(work.problem() == null ? activity.getString(R.string.loading) : "");
            return;
        }
        List<String> names = Words.names(bundle.variants);
        variant.offer(names, names, work.variant());
        accelerator.offer(accelerators, Words.accelerators(activity, accelerators), work.accelerator());
        threads.offer(Words.threads(), Words.texts(Words.threads()), work.threads());
        if (work.isOpening()) {
            runsOn.setText(activity.getString(R.string.opening, work.variant()));
        } else if (work.requested() != null) {
            runsOn.setText(activity.getString(R.string.runs_on, Words.accelerator(activity, work.requested()),
                    Words.accelerator(activity, work.actual()), work.detail()));
        } else {
            runsOn.setText(R.string.runs_nothing);
        }
    }

    private void select(int id, boolean selected) {
        activity.findViewById(id).setSelected(selected);
    }

    private void show(int id, boolean shown) {
        activity.findViewById(id).setVisibility(shown ? View.VISIBLE : View.GONE);
    }
}
