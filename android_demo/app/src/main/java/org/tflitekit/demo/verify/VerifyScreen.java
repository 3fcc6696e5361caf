package org.tflitekit.demo.verify;

import android.app.Activity;
import java.util.Collections;
import java.util.List;
import org.json.JSONException;
import org.tflitekit.core.verify.Verification;
import org.tflitekit.demo.R;
import org.tflitekit.demo.ui.Checks;
import org.tflitekit.demo.ui.RunScreen;
import org.tflitekit.demo.ui.Words;

/** The views of the verify screen. */
public final class VerifyScreen extends RunScreen<Verification> {
    private final VerifyWork work;
    private final Checks accelerators;

    public VerifyScreen(Activity activity, VerifyWork work, List<String> offered) {
        super(activity, work, R.string.tab_verify, R.string.verify_intro, R.string.verify_start, "verification.json");
        this.work = work;
        views.label(R.string.accelerators);
        accelerators = new Checks(views.options());
        accelerators.offer(offered, Words.accelerators(activity, offered), Collections.singletonList("cpu"));
    }

    @Override
    protected void startChosen() {
        List<String> chosen = accelerators.chosen();
        if (chosen.isEmpty()) {
            work.refuse(activity.getString(R.string.choose_accelerator));
        } else {
            work.start(chosen, null);
        }
    }

    @Override
    protected Verification result() {
        return work.verification();
    }

    @Override
    protected String json() {
        try {
            return work.verification() == null ? null : work.verification().toJson().toString(2);
        } catch (JSONException error) {
            throw new IllegalStateException(error); // there are no numbers that JSON does not have
        }
    }

    @Override
    protected void setOptionsEnabled(boolean enabled) {
        accelerators.setEnabled(enabled);
    }

    @Override
    protected void showProgress() {
        views.progress(work.finished(), work.planned(), activity.getString(R.string.verify_progress, work.last()));
    }

    @Override
    protected void showResult(Verification verification) {
        new CheckRows(activity, views.results()).show(verification);
    }
}
