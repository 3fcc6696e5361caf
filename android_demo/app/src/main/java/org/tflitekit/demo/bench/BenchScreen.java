package org.tflitekit.demo.bench;

import android.app.Activity;
import android.view.WindowManager;
import android.widget.Spinner;
import java.util.ArrayList;
import java.util.List;
import org.tflitekit.core.benchmark.BenchmarkResult;
import org.tflitekit.core.benchmark.Protocol;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.demo.R;
import org.tflitekit.demo.ui.Checks;
import org.tflitekit.demo.ui.Choice;
import org.tflitekit.demo.ui.RunRequest;
import org.tflitekit.demo.ui.WorkViews;
import org.tflitekit.demo.ui.Words;

/** The views of the benchmark screen. */
public final class BenchScreen {
    private final Activity activity;
    private final BenchWork work;
    private final WorkViews views;
    private final List<String> accelerators;
    private final Choice<String> protocol;
    private final Choice<String> accelerator;
    private final Choice<Integer> threads;
    private final Checks variants;
    private BenchmarkResult shown;

    public BenchScreen(Activity activity, final BenchWork work, List<String> accelerators) {
        this.activity = activity;
        this.work = work;
        this.accelerators = accelerators;
        views = new WorkViews(activity, R.string.tab_benchmark, R.string.bench_intro, R.string.bench_start, "report.json",
                new WorkViews.Actions() {
                    @Override
                    public void start() {
                        startChosen();
                    }

                    @Override
                    public void cancel() {
                        work.cancel();
                    }

                    @Override
                    public String json() {
                        return work.report() == null ? null : BenchWork.text(work.report());
                    }
                });
        views.options().removeAllViews();
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

    private void startChosen() {
        List<String> chosen = variants.chosen();
        if (chosen.isEmpty()) {
            work.refuse(activity.getString(R.string.choose_variant));
        } else {
            start(chosen, accelerator.value(), threads.value(), protocol.value(), null);
        }
    }

    /**
     * Starts a benchmark.
     *
     * @param names of variants; null for all
     * @param request where the report goes besides the screen; may be null
     */
    public void start(List<String> names, String on, int count, String rules, RunRequest request) {
        work.start(new BenchWork.Request(names, on, count, rules), request);
    }

    public void render() {
        Bundle bundle = work.bundle();
        if (bundle != null) {
            List<String> names = Words.names(bundle.variants);
            variants.offer(names, names, names);
        }
        boolean running = work.isRunning();
        BenchmarkResult result = running ? null : work.result();
        views.show(bundle != null, running, result != null);
        protocol.setEnabled(!running);
        accelerator.setEnabled(!running);
        threads.setEnabled(!running);
        variants.setEnabled(!running);
        if (running) {
            activity.getWindow().addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON);
            int round = work.finished() + 1;
            views.progress(work.finished(), work.planned(), round <= work.planned()
                    ? activity.getString(R.string.bench_progress, round, work.planned(), work.measuring())
                    : activity.getString(R.string.bench_progress_more, round, work.measuring()));
        } else {
            activity.getWindow().clearFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON);
            views.note(work.written() == null ? null : activity.getString(R.string.written, work.written()));
        }
        if (result != null && result != shown) {
            new ResultCards(activity, views.results()).show(result);
            views.scrollToResults();
        }
        shown = result;
    }
}
