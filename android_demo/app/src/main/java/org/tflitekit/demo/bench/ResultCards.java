package org.tflitekit.demo.bench;

import android.app.Activity;
import android.view.View;
import android.view.ViewGroup;
import android.widget.TextView;
import java.util.Locale;
import org.tflitekit.core.benchmark.BenchmarkResult;
import org.tflitekit.core.benchmark.DeviceState;
import org.tflitekit.core.benchmark.Finding;
import org.tflitekit.core.benchmark.Measurement;
import org.tflitekit.demo.R;
import org.tflitekit.demo.ui.Words;

/** A benchmark as cards: one a variant, the state of the device, and what casts doubt on the figures. */
final class ResultCards {
    private final Activity activity;
    private final ViewGroup cards;

    ResultCards(Activity activity, ViewGroup cards) {
        this.activity = activity;
        this.cards = cards;
    }

    void show(BenchmarkResult result) {
        cards.removeAllViews();
        for (Measurement one : result.measurements) {
            card(one);
        }
        for (Finding warning : result.warnings) {
            text(warning.message, warning.advice == null ? "" : warning.advice);
        }
        text(activity.getString(R.string.measured_on, result.target.substring(result.target.indexOf(':') + 1)),
                activity.getString(R.string.before) + ": " + state(result.before) + "\n"
                        + activity.getString(R.string.after) + ": " + state(result.after));
    }

    private void card(Measurement one) {
        View card = activity.getLayoutInflater().inflate(R.layout.measurement, cards, false);
        ((TextView) card.findViewById(R.id.measured_variant)).setText(one.variant.name);
        ViewGroup figures = (ViewGroup) card.findViewById(R.id.measured_figures);
        StringBuilder text = new StringBuilder();
        if (one.error != null) {
            text.append(one.error);
        } else {
            figure(figures, R.string.column_median, one.medianMs);
            figure(figures, R.string.column_p90, one.p90Ms);
            figure(figures, R.string.column_p99, one.p99Ms);
            text.append(activity.getString(R.string.interval, Words.duration(activity, one.medianLowMs),
                    Words.duration(activity, one.medianHighMs), Words.duration(activity, one.initMs),
                    Words.duration(activity, one.firstMs)));
            if (one.ratio != null) {
                text.append('\n').append(activity.getString(R.string.ratio,
                        String.format(Locale.getDefault(), "%.2f", one.ratio.value), one.ratio.baseline, one.ratio.verdict));
            }
            text.append('\n').append(activity.getString(R.string.runs_on,
                    Words.accelerator(activity, one.requestedAccelerator),
                    Words.accelerator(activity, one.actualAccelerator), one.accelerationDetail));
        }
        ((TextView) card.findViewById(R.id.measured_text)).setText(text);
        cards.addView(card);
    }

    private void figure(ViewGroup figures, int name, double ms) {
        View figure = activity.getLayoutInflater().inflate(R.layout.timing, figures, false);
        ((TextView) figure.findViewById(R.id.timing_name)).setText(name);
        ((TextView) figure.findViewById(R.id.timing_value))
                .setText(Words.duration(activity, ms));
        figures.addView(figure);
    }

    private void text(String title, String words) {
        View card = activity.getLayoutInflater().inflate(R.layout.text_card, cards, false);
        ((TextView) card.findViewById(R.id.card_title)).setText(title);
        ((TextView) card.findViewById(R.id.card_text)).setText(words);
        cards.addView(card);
    }

    private String state(DeviceState state) {
        String unknown = activity.getString(R.string.unknown);
        String heat = DeviceState.thermalName(state.thermalStatus);
        String battery = state.batteryPercent == DeviceState.UNKNOWN ? unknown
                : activity.getString(R.string.percent, state.batteryPercent);
        String warmth = Double.isNaN(state.batteryCelsius) ? unknown
                : activity.getString(R.string.celsius, String.format(Locale.getDefault(), "%.1f", state.batteryCelsius));
        String charging = state.charging == null ? unknown
                : activity.getString(state.charging ? R.string.charging : R.string.not_charging);
        return activity.getString(R.string.state, heat == null ? unknown : heat, battery, warmth, charging);
    }
}
