package org.tflitekit.demo.bench;

import android.app.Activity;
import android.view.WindowManager;
import android.widget.Spinner;
import java.util.ArrayList;
import java.util.List;
import org.tflitekit.core.benchmark.BenchmarkRequest;
import org.tflitekit.core.benchmark.BenchmarkResult;
import org.tflitekit.core.benchmark.Protocol;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.demo.R;
import org.tflitekit.demo.ui.Checks;
import org.tflitekit.demo.ui.Choice;
import org.tflitekit.demo.ui.RunScreen;
import org.tflitekit.demo.ui.Words;

/** The views of the benchmark screen. */
public final class BenchScreen extends RunScreen<BenchmarkResult> {
    private final BenchWork work;
    private final Choice<String> protocol;
    private final Choice<String> accelerator;
    private final Choice<Integer> threads;
    private final Checks variants;

    public BenchScreen(Activity activity, BenchWork work, List<String> accelerators) {
        super(activity, work, R.string.tab_benchmark, R.string.bench_intro, R.string.bench_start, "report.json");
        this.work = work;
        protocol = spinner(R.string.protocol);
        accelerator = spinner(R.string.accelerator);
        threads = spinner(R.string.threads);
        views.label(R.string.variants);
        variants = new Checks(views.options());
        List<String> names = new ArrayList<String>();
        for (Protocol one : Protocol.all()) {
            names.add(one.name);
        }
        protocol.offer(names, names, names.get(0));
        accelerator.offer(accelerators, Words.accelerators(activity, accelerators), "cpu");
        threads.offer(Words.threads(), Words.texts(Words.threads()), 1);
    }

    private <T> Choice<T> spinner(int label) {
        views.label(label);
        Spinner spinner = (Spinner) activity.getLayoutInflater().inflate(R.layout.spinner, views.options(), false);
        spinner.setContentDescription(activity.getString(label));
        spinner.setId(label); // with an id the system keeps the choice when the device is turned
        views.options().addView(spinner);
        return new Choice<T>(spinner, new Choice.Listener<T>() {
            @Override
            public void onChosen(T value) {} // read when the benchmark starts
        });
    }

    @Override
    protected void startChosen() {
        List<String> chosen = variants.chosen();
        if (chosen.isEmpty()) {
            work.refuse(activity.getString(R.string.choose_variant));
        } else {
            BenchmarkRequest request = new BenchmarkRequest();
            request.variants = chosen;
            request.accelerator = accelerator.value();
            request.threads = threads.value();
            request.protocol = protocol.value();
            work.start(request, null);
        }
    }

    @Override
    protected BenchmarkResult result() {
        return work.result();
    }

    @Override
    protected String json() {
        return work.report() == null ? null : BenchWork.text(work.report());
    }

    @Override
    public void render() {
        Bundle bundle = work.bundle();
        if (bundle != null) {
            List<String> names = Words.names(bundle.variants);
            variants.offer(names, names, names);
        }
        super.render();
    }

    @Override
    protected void setOptionsEnabled(boolean enabled) {
        protocol.setEnabled(enabled);
        accelerator.setEnabled(enabled);
        threads.setEnabled(enabled);
        variants.setEnabled(enabled);
        keepScreenOn(!enabled);
    }

    private void keepScreenOn(boolean on) {
        if (on) {
            activity.getWindow().addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON);
        } else {
            activity.getWindow().clearFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON);
        }
    }

    @Override
    protected void showProgress() {
        if (work.isUnderLoad()) {
            int percent = 100 * work.finished() / work.planned();
            views.progress(work.finished(), work.planned(),
                    activity.getString(R.string.bench_under_load, work.measuring(), percent));
            return;
        }
        int round = work.finished() + 1;
        views.progress(work.finished(), work.planned(), round <= work.planned()
                ? activity.getString(R.string.bench_progress, round, work.planned(), work.measuring())
                : activity.getString(R.string.bench_progress_more, round, work.measuring()));
    }

    @Override
    protected void showResult(BenchmarkResult result) {
        new ResultCards(activity, views.results()).show(result);
    }
}
