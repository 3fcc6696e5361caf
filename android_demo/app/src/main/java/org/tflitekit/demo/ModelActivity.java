package org.tflitekit.demo;

import android.text.TextUtils;
import android.view.View;
import android.view.ViewGroup;
import android.widget.TextView;
import java.util.Locale;
import org.tflitekit.core.bundle.Accuracy;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.RuntimeVersion;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.demo.device.Services;
import org.tflitekit.demo.ui.ScreenActivity;
import org.tflitekit.demo.ui.Words;
import org.tflitekit.demo.ui.Work;

/** Says what the bundle holds. */
public final class ModelActivity extends ScreenActivity<ModelActivity.ModelWork> {
    /** Only reads the bundle. */
    public static final class ModelWork extends Work {
        ModelWork(Services services, String bundleName) {
            super(services, bundleName);
        }
    }

    private Bundle shown;

    @Override
    protected int layout() {
        return R.layout.model;
    }

    @Override
    protected ModelWork newWork(Services services, String bundleName) {
        return new ModelWork(services, bundleName);
    }

    @Override
    protected void render() {
        showProblem(work().problem());
        Bundle bundle = work().bundle();
        if (bundle == shown) {
            return;
        }
        shown = bundle;
        ViewGroup cards = (ViewGroup) findViewById(R.id.results);
        cards.removeAllViews();
        if (bundle == null) {
            return;
        }
        String runtime = services().engines().runtimeVersion();
        card(cards, bundle.name, about(bundle, runtime));
        for (Variant variant : bundle.variants) {
            String title = variant.name.equals(bundle.recommended)
                    ? variant.name + " · " + getString(R.string.recommended) : variant.name;
            card(cards, title, about(variant, runtime));
        }
        card(cards, getString(R.string.licenses), getString(R.string.licenses_text));
    }

    private String about(Bundle bundle, String runtime) {
        String takes = getString(bundle.takesImages() ? R.string.model_images : R.string.model_tensors);
        String text = getString(R.string.model_takes, takes) + "\n"
                + (hasRuntime(runtime) ? getString(R.string.model_runtime, runtime) : getString(R.string.model_no_runtime));
        return bundle.labels == null ? text
                : text + "\n" + getString(R.string.model_classes, TextUtils.join(", ", bundle.labels));
    }

    private String about(Variant variant, String runtime) {
        String size = String.format(Locale.getDefault(), "%.1f", variant.sizeBytes / 1000.0);
        StringBuilder text = new StringBuilder(getString(R.string.model_size, size));
        text.append('\n').append(accuracy(variant.accuracy));
        if (variant.minRuntimeVersion != null && hasRuntime(runtime)) {
            boolean tooNew = !RuntimeVersion.has(runtime, variant.minRuntimeVersion);
            text.append('\n').append(getString(tooNew ? R.string.model_too_new : R.string.model_minimum,
                    variant.minRuntimeVersion));
        }
        return text.toString();
    }

    private static boolean hasRuntime(String runtime) {
        return !RuntimeVersion.NONE.equals(runtime);
    }

    private String accuracy(Accuracy accuracy) {
        if (accuracy == null) {
            return getString(R.string.model_not_measured);
        }
        if (Double.isNaN(accuracy.low)) {
            return getString(R.string.model_accuracy_plain, metric(accuracy), value(accuracy, accuracy.value));
        }
        return getString(R.string.model_accuracy, metric(accuracy), value(accuracy, accuracy.value),
                value(accuracy, accuracy.low), value(accuracy, accuracy.high), accuracy.samples);
    }

    private String metric(Accuracy accuracy) {
        if ("top1".equals(accuracy.metric)) {
            return getString(R.string.metric_top1);
        }
        return "top5".equals(accuracy.metric) ? getString(R.string.metric_top5) : accuracy.metric;
    }

    private static String value(Accuracy accuracy, double value) {
        boolean share = "top1".equals(accuracy.metric) || "top5".equals(accuracy.metric);
        return share ? Words.share(value) : String.format(Locale.getDefault(), "%.4g", value);
    }

    private void card(ViewGroup cards, String title, String words) {
        View card = getLayoutInflater().inflate(R.layout.text_card, cards, false);
        ((TextView) card.findViewById(R.id.card_title)).setText(title);
        ((TextView) card.findViewById(R.id.card_text)).setText(words);
        cards.addView(card);
    }
}
