package org.tflitekit.demo.classify;

import android.app.Activity;
import android.view.View;
import android.view.ViewGroup;
import android.widget.ProgressBar;
import android.widget.TextView;
import java.util.Locale;
import org.tflitekit.demo.R;
import org.tflitekit.demo.ui.Words;

/** The best classes with bars, and how long they took. */
final class ResultView {
    private static final int[] STEPS = {R.string.preprocess, R.string.inference, R.string.postprocess};

    private final Activity activity;
    private final ViewGroup scores;
    private final ViewGroup timings;

    ResultView(Activity activity) {
        this.activity = activity;
        scores = (ViewGroup) activity.findViewById(R.id.scores);
        timings = (ViewGroup) activity.findViewById(R.id.timings);
        for (int step : STEPS) {
            View view = activity.getLayoutInflater().inflate(R.layout.timing, timings, false);
            ((TextView) view.findViewById(R.id.timing_name)).setText(step);
            timings.addView(view);
        }
    }

    void show(Shown shown, boolean binary) {
        boolean some = shown.count > 0;
        activity.findViewById(R.id.no_result).setVisibility(some ? View.GONE : View.VISIBLE);
        timings.setVisibility(some ? View.VISIBLE : View.GONE);
        ((TextView) activity.findViewById(R.id.scores_title)).setText(title(shown, binary));
        while (scores.getChildCount() > shown.count) {
            scores.removeViewAt(scores.getChildCount() - 1);
        }
        while (scores.getChildCount() < shown.count) {
            scores.addView(activity.getLayoutInflater().inflate(R.layout.score, scores, false));
        }
        for (int place = 0; place < shown.count; place++) {
            show(scores.getChildAt(place), shown, place);
        }
        if (some) {
            time(0, shown.preprocessMs);
            time(1, shown.inferenceMs);
            time(2, shown.postprocessMs);
        }
    }

    private static int title(Shown shown, boolean binary) {
        if (shown.count == 0) {
            return R.string.result;
        }
        if (!shown.ranked) {
            return R.string.values;
        }
        return shown.probabilities ? R.string.probabilities : binary ? R.string.sigmoid : R.string.softmax;
    }

    private void show(View row, Shown shown, int place) {
        float share = shown.probabilities ? shown.scores[place] : shown.softmax[place];
        String value = shown.ranked ? Words.share(share)
                : String.format(Locale.getDefault(), "%.4g", shown.scores[place]);
        ((TextView) row.findViewById(R.id.score_label)).setText(shown.labels[place]);
        ((TextView) row.findViewById(R.id.score_value)).setText(value);
        ProgressBar bar = (ProgressBar) row.findViewById(R.id.score_bar);
        bar.setVisibility(shown.ranked ? View.VISIBLE : View.GONE);
        bar.setProgress(Math.round(1000 * Math.max(0, Math.min(1, share))));
        row.setContentDescription(activity.getString(R.string.class_share, shown.labels[place], value));
    }

    private void time(int step, double ms) {
        ((TextView) timings.getChildAt(step).findViewById(R.id.timing_value))
                .setText(Words.duration(activity, ms));
    }
}
