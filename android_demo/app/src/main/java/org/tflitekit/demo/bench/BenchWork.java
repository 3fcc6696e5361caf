package org.tflitekit.demo.bench;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import org.json.JSONException;
import org.json.JSONObject;
import org.tflitekit.core.benchmark.BenchmarkListener;
import org.tflitekit.core.benchmark.BenchmarkPlan;
import org.tflitekit.core.benchmark.BenchmarkResult;
import org.tflitekit.core.benchmark.BenchmarkRunner;
import org.tflitekit.core.benchmark.Measurement;
import org.tflitekit.core.benchmark.Protocol;
import org.tflitekit.core.benchmark.ReportWriter;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.demo.device.Services;
import org.tflitekit.demo.ui.RunRequest;
import org.tflitekit.demo.ui.RunWork;

/** Measures variants with the kit's protocols. */
public final class BenchWork extends RunWork {
    /** What a person or an intent asks to measure. */
    public static final class Request {
        /** Names; null for all. */
        final List<String> variants;
        final String accelerator;
        final int threads;
        final String protocol;

        public Request(List<String> variants, String accelerator, int threads, String protocol) {
            this.variants = variants;
            this.accelerator = accelerator;
            this.threads = threads;
            this.protocol = protocol;
        }
    }

    private final String appVersion;
    private volatile boolean visible = true;
    private volatile String measuring;
    private volatile BenchmarkResult result;
    private volatile JSONObject report;

    public BenchWork(Services services, String bundleName, String appVersion) {
        super(services, bundleName);
        this.appVersion = appVersion;
    }

    /**
     * Starts, once the bundle is there.
     *
     * @param forFiles where the report goes besides the screen; may be null
     */
    public void start(final Request request, final RunRequest forFiles) {
        start(forFiles, new Runnable() {
            @Override
            public void run() {
                try {
                    measure(request);
                } catch (BundleException error) {
                    fail(error.getMessage());
                } catch (IllegalArgumentException error) {
                    fail(error.getMessage());
                } catch (IOException error) {
                    fail("The report cannot be written: " + error.getMessage());
                } catch (CancellationException error) {
                    fail(visible ? "The benchmark was stopped before its end. Nothing was kept."
                            : "The benchmark was stopped because it was no longer on the screen, where Android slows apps down. Nothing was"
                                    + " kept. Start it again and leave it on the screen.");
                }
            }
        });
    }

    private void measure(Request request) throws BundleException, IOException {
        List<Variant> variants = new ArrayList<Variant>();
        if (request.variants == null) {
            variants.addAll(bundle().variants);
        } else {
            for (String name : request.variants) {
                variants.add(bundle().variant(name));
            }
        }
        BenchmarkPlan plan = new BenchmarkPlan(bundle(), variants, request.accelerator, request.threads,
                Protocol.named(request.protocol), BenchmarkPlan.DEFAULT_SEED);
        result = null;
        report = null;
        measuring = variants.get(0).name;
        begin(plan.protocol.rounds);
        BenchmarkResult measured = new BenchmarkRunner(services.engines(), services.device()).run(plan, listener());
        JSONObject json = ReportWriter.report(services.device(), Collections.singletonList(measured), tool(),
                System.currentTimeMillis());
        report = json;
        result = measured;
        String failure = failure(measured);
        if (failure == null) {
            finish("report.json", text(json));
        } else {
            report(failure);
        }
    }

    /** Returns why no variant could be measured; null where one was. */
    private static String failure(BenchmarkResult measured) {
        String error = null;
        for (Measurement one : measured.measurements) {
            if (one.error == null) {
                return null;
            }
            error = one.error;
        }
        return error;
    }

    private BenchmarkListener listener() {
        return new BenchmarkListener() {
            @Override
            public void progress(int finishedRounds, int plannedRounds, String variant) {
                measuring = variant;
                setProgress(finishedRounds, plannedRounds);
            }

            @Override
            public boolean proceed() {
                return goesOn() && visible;
            }
        };
    }

    private Map<String, String> tool() {
        Map<String, String> tool = new LinkedHashMap<String, String>();
        tool.put("tflitekit-demo", appVersion);
        tool.put("tensorflow-lite", services.engines().runtimeVersion());
        return tool;
    }

    static String text(JSONObject json) {
        try {
            return json.toString(2) + "\n";
        } catch (JSONException error) {
            throw new IllegalStateException(error); // there are no numbers that JSON does not have
        }
    }

    /** Says whether the screen is there: what runs in the background is no measure of what users get. */
    public void setVisible(boolean isVisible) {
        visible = isVisible;
    }

    String measuring() {
        return measuring;
    }

    BenchmarkResult result() {
        return result;
    }

    JSONObject report() {
        return report;
    }
}
