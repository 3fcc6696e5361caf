package org.tflitekit.demo.bench;

import java.io.IOException;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CancellationException;
import org.json.JSONException;
import org.json.JSONObject;
import org.tflitekit.core.benchmark.BenchmarkListener;
import org.tflitekit.core.benchmark.BenchmarkPlan;
import org.tflitekit.core.benchmark.BenchmarkRequest;
import org.tflitekit.core.benchmark.BenchmarkResult;
import org.tflitekit.core.benchmark.BenchmarkRunner;
import org.tflitekit.core.benchmark.Measurement;
import org.tflitekit.core.benchmark.ReportWriter;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.demo.device.Services;
import org.tflitekit.demo.ui.RunRequest;
import org.tflitekit.demo.ui.RunWork;

/** Measures variants with the kit's protocols. */
public final class BenchWork extends RunWork {
    private final String appVersion;
    private volatile boolean visible = true;
    private volatile String measuring;
    private volatile boolean underLoad;
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
    public void start(final BenchmarkRequest request, final RunRequest forFiles) {
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

    private void measure(BenchmarkRequest request) throws BundleException, IOException {
        BenchmarkPlan plan = request.plan(bundle());
        result = null;
        report = null;
        measuring = plan.variants.get(0).name;
        underLoad = false;
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
                setProgress(finishedRounds, plannedRounds, variant);
            }

            @Override
            public void underLoad(int done, int planned, String variant) {
                measuring = variant;
                underLoad = true;
                setProgress(done, planned, variant);
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

    /** Returns whether rounds are over and a variant runs for minutes. */
    boolean isUnderLoad() {
        return underLoad;
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
