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
import org.tflitekit.demo.ui.ScreenActivity;
import org.tflitekit.demo.ui.Work;
import org.tflitekit.demo.ui.Words;

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
        String runtime = ((DemoApplication) getApplication()).services().engines().runtimeVersion();
        card(cards, bundle.name, about(bundle, runtime));
        for (Variant variant : bundle.variants) {
            String title = variant.name.equals(bundle.recommended)
                    ? variant.name + " · " + getString(R.string.recommended) : variant.name;
            card(cards, title, about(variant, runtime));
        }
        card(cards, getString(R.string.licences), getString(R.string.licences_text));
    }

    private String about(Bundle bundle, String runtime) {
        String takes = getString(bundle.takesImages() ? R.string.model_images : R.string.model_tensors);
        String text = getString(R.string.model_takes, takes) + "\n" + getString(R.string.model_runtime, runtime);
        return bundle.labels == null ? text
                : text + "\n" + getString(R.string.model_classes, TextUtils.join(", ", bundle.labels));
    }

    private String about(Variant variant, String runtime) {
        String size = String.format(Locale.getDefault(), "%.1f", variant.sizeBytes / 1000.0);
        StringBuilder text = new StringBuilder(getString(R.string.model_size, size));
        text.append('\n').append(accuracy(variant.accuracy));
        if (variant.minRuntimeVersion != null) {
            boolean tooNew = RuntimeVersion.compare(runtime, variant.minRuntimeVersion) < 0;
            text.append('\n').append(getString(tooNew ? R.string.model_too_new : R.string.model_minimum,
                    variant.minRuntimeVersion));
        }
        return text.toString();
    }

    private String accuracy(Accuracy accuracy) {
        if (accuracy == null) {
            return getString(R.string.model_not_measured);
        }
        if (Double.isNaN(accuracy.low)) {
            return getString(R.string.model_accuracy_plain, Words.share(accuracy.value));
        }
        return getString(R.string.model_accuracy, Words.share(accuracy.value), Words.share(accuracy.low),
                Words.share(accuracy.high), accuracy.samples);
    }

    private void card(ViewGroup cards, String title, String words) {
        View card = getLayoutInflater().inflate(R.layout.text_card, cards, false);
        ((TextView) card.findViewById(R.id.card_title)).setText(title);
        ((TextView) card.findViewById(R.id.card_text)).setText(words);
        cards.addView(card);
    }
}
