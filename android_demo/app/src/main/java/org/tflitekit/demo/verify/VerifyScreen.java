package org.tflitekit.demo.verify;

import android.app.Activity;
import java.util.Collections;
import java.util.List;
import org.json.JSONException;
import org.tflitekit.core.verify.Verification;
import org.tflitekit.demo.R;
import org.tflitekit.demo.ui.Checks;
import org.tflitekit.demo.ui.RunRequest;
import org.tflitekit.demo.ui.WorkViews;
import org.tflitekit.demo.ui.Words;

/** The views of the verify screen. */
public final class VerifyScreen {
    private final Activity activity;
    private final VerifyWork work;
    private final WorkViews views;
    private final Checks accelerators;
    private Verification shown;

    public VerifyScreen(Activity activity, final VerifyWork work, List<String> offered) {
        this.activity = activity;
        this.work = work;
        views = new WorkViews(activity, R.string.tab_verify, R.string.verify_intro, R.string.verify_start,
                "verification.json", new WorkViews.Actions() {
                    @Override
                    public void start() {
                        VerifyScreen.this.start(accelerators.chosen(), null);
                    }

                    @Override
                    public void cancel() {
                        work.cancel();
                    }

                    @Override
                    public String json() {
                        return VerifyScreen.this.json();
                    }
                });
        views.options().removeAllViews();
        views.label(R.string.accelerators);
        accelerators = new Checks(views.options());
        accelerators.offer(offered, Words.accelerators(activity, offered), Collections.singletonList("cpu"));
    }

    /** @param request where the result goes besides the screen; may be null */
    public void start(List<String> chosen, RunRequest request) {
        if (chosen.isEmpty() && request == null) {
            work.refuse(activity.getString(R.string.choose_accelerator));
        } else {
            work.start(chosen, request);
        }
    }

    private String json() {
        try {
            return work.verification() == null ? null : work.verification().toJson().toString(2);
        } catch (JSONException error) {
            throw new IllegalStateException(error); // there are no numbers that JSON does not have
        }
    }

    public void render() {
        Verification verification = work.isRunning() ? null : work.verification();
        views.show(work.bundle() != null, work.isRunning(), verification != null);
        accelerators.setEnabled(!work.isRunning());
        if (work.isRunning()) {
            views.progress(work.finished(), work.planned(), activity.getString(R.string.verify_progress, work.last()));
        } else {
            views.note(work.written() == null ? null : activity.getString(R.string.written, work.written()));
        }
        if (verification != null && verification != shown) {
            new CheckRows(activity, views.results()).show(verification);
            views.scrollToResults();
        }
        shown = verification;
    }
}
