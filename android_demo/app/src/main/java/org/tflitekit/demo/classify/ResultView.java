package org.tflitekit.demo.classify;

import android.app.Activity;
import android.graphics.drawable.GradientDrawable;
import android.view.View;
import android.view.ViewGroup;
import android.widget.ProgressBar;
import android.widget.TextView;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.tflitekit.demo.R;
import org.tflitekit.demo.ui.Words;

/** The best classes with bars, or what was found, and how long it took. */
final class ResultView {
    private static final int[] STEPS = {R.string.preprocess, R.string.inference, R.string.postprocess};
    private static final int MOST_ROWS = 20;

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

    /** Shows the classes of a classifier. */
    void show(Shown shown, boolean binary) {
        List<Row> rows = new ArrayList<Row>();
        for (int place = 0; place < shown.count; place++) {
            float share = shown.probabilities ? shown.scores[place] : shown.softmax[place];
            String value = shown.ranked ? Words.share(share)
                    : String.format(Locale.getDefault(), "%.4g", shown.scores[place]);
            rows.add(new Row(shown.labels[place], value, shown.ranked ? share : -1, Row.PLAIN));
        }
        show(activity.getString(title(shown, binary)), rows, activity.getString(R.string.no_result));
        times(shown);
    }

    /** Shows what was found. */
    void show(Shown shown, Findings findings) {
        List<Row> rows = findings.rows;
        if (rows.size() > MOST_ROWS) {
            int more = rows.size() - MOST_ROWS;
            rows = new ArrayList<Row>(rows.subList(0, MOST_ROWS));
            rows.add(new Row(activity.getString(R.string.found_more, more), "", -1, Row.PLAIN));
        }
        show(findings.title, rows, findings.nothing);
        times(shown);
    }

    private void show(String title, List<Row> rows, String nothing) {
        TextView none = (TextView) activity.findViewById(R.id.no_result);
        none.setVisibility(rows.isEmpty() ? View.VISIBLE : View.GONE);
        none.setText(nothing);
        ((TextView) activity.findViewById(R.id.scores_title)).setText(title);
        while (scores.getChildCount() > rows.size()) {
            scores.removeViewAt(scores.getChildCount() - 1);
        }
        while (scores.getChildCount() < rows.size()) {
            scores.addView(activity.getLayoutInflater().inflate(R.layout.score, scores, false));
        }
        for (int place = 0; place < rows.size(); place++) {
            show(scores.getChildAt(place), rows.get(place));
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

    private void show(View view, Row row) {
        ((TextView) view.findViewById(R.id.score_label)).setText(row.label);
        ((TextView) view.findViewById(R.id.score_value)).setText(row.value);
        View color = view.findViewById(R.id.score_color);
        color.setVisibility(row.color == Row.PLAIN ? View.GONE : View.VISIBLE);
        if (row.color != Row.PLAIN) {
            ((GradientDrawable) color.getBackground().mutate()).setColor(row.color);
        }
        ProgressBar bar = (ProgressBar) view.findViewById(R.id.score_bar);
        bar.setVisibility(row.share >= 0 ? View.VISIBLE : View.GONE);
        bar.setProgress(Math.round(1000 * Math.max(0, Math.min(1, row.share))));
        view.setContentDescription(row.value.isEmpty() ? row.label
                : activity.getString(R.string.class_share, row.label, row.value));
    }

    private void times(Shown shown) {
        timings.setVisibility(shown.isEmpty() ? View.GONE : View.VISIBLE);
        if (!shown.isEmpty()) {
            time(0, shown.preprocessMs);
            time(1, shown.inferenceMs);
            time(2, shown.postprocessMs);
        }
    }

    private void time(int step, double ms) {
        ((TextView) timings.getChildAt(step).findViewById(R.id.timing_value))
                .setText(Words.duration(activity, ms));
    }
}
