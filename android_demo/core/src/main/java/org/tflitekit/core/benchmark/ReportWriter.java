package org.tflitekit.core.benchmark;

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.text.SimpleDateFormat;
import java.util.Date;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TimeZone;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;
import org.tflitekit.core.bundle.TensorSpec;
import org.tflitekit.core.bundle.Variant;

/**
 * Writes what was measured as the kit's report (docs/report-schema.md), which {@code tflitekit report} merges into the host's.
 * Files are named by the hash of the file that the host measured; the bundle's has metadata in it besides.
 */
public final class ReportWriter {
    /** The version of the report's schema. */
    public static final int SCHEMA_VERSION = 2;

    private static final String[] NOT_MEASURED_HERE = {
        "engine", "engine_why", "deflated_bytes", "accuracy", "likeness", "agreement", "drop", "control", "drop_from_control",
        "hits", "confusion", "confidence", "flips", "sequential", "explanation", "profile", "peak_memory_bytes",
        "arena_bytes", "training", "search", "compression", "conversion_s", "places", "hardware"
    };
    private static final String[] EMPTY_HERE = {
        "other_metrics", "output_scores", "per_class", "fidelity", "differing", "thresholds", "examples", "on_targets", "ops", "warnings"
    };
    private static final String[] LIMITS = {
        "max_accuracy_drop", "min_fidelity", "max_class_drop", "max_size_bytes", "max_latency_ms"
    };
    private static final String[] IDENTITY = {"device", "cpu", "cores", "system"};

    private ReportWriter() {}

    /**
     * Returns the report of one or more benchmarks of the same variants of one bundle, which differ in threads or accelerator.
     *
     * @param results the first decides where reports are merged
     * @param tool versions by name, of the app for example
     * @param createdMillis since 1970, as of System.currentTimeMillis
     * @throws IllegalArgumentException there is no result, or they are of different variants
     */
    public static JSONObject report(DeviceProbe device, List<BenchmarkResult> results, Map<String, String> tool,
            long createdMillis) {
        if (results.isEmpty()) {
            throw new IllegalArgumentException("There is no benchmark to report.");
        }
        BenchmarkResult first = results.get(0);
        for (BenchmarkResult result : results) {
            if (!result.plan.variants.equals(first.plan.variants)) {
                throw new IllegalArgumentException("The benchmarks are of different variants.");
            }
        }
        JSONObject machine = device.machine();
        try {
            return report(machine, results, new JSONObject(tool), createdMillis);
        } catch (JSONException error) {
            throw new IllegalStateException("A figure is not a number that JSON has.", error);
        }
    }

    /**
     * Writes a report under a temporary name and renames it, so that nobody ever sees half of it.
     *
     * @throws IOException it cannot be written
     */
    public static void write(JSONObject report, File file) throws IOException {
        File temporary = new File(file.getPath() + ".part");
        try (FileOutputStream stream = new FileOutputStream(temporary)) {
            stream.write(text(report).getBytes(StandardCharsets.UTF_8));
            stream.getFD().sync();
        }
        if (!temporary.renameTo(file)) {
            throw new IOException("Cannot rename " + temporary + " to " + file + ".");
        }
    }

    private static String text(JSONObject report) {
        try {
            return report.toString(2) + "\n";
        } catch (JSONException error) {
            throw new IllegalStateException("A figure is not a number that JSON has.", error);
        }
    }

    private static JSONObject report(JSONObject machine, List<BenchmarkResult> results, JSONObject tool,
            long createdMillis) throws JSONException {
        BenchmarkResult first = results.get(0);
        JSONArray variants = new JSONArray();
        boolean hasBaseline = false;
        for (int i = 0; i < first.measurements.size(); i++) {
            variants.put(row(i, machine, results));
            hasBaseline |= first.measurements.get(i).variant.name.equals(first.plan.bundle.baseline);
        }
        JSONArray warnings = new JSONArray();
        for (BenchmarkResult result : results) {
            for (Finding finding : result.warnings) {
                warnings.put(finding.toJson());
            }
        }
        JSONObject constraints = new JSONObject();
        for (String limit : LIMITS) {
            constraints.put(limit, JSONObject.NULL);
        }
        return new JSONObject()
                .put("schema_version", SCHEMA_VERSION)
                .put("tool", tool)
                .put("created", created(createdMillis))
                .put("machine", machine)
                .put("source", JSONObject.NULL)
                .put("dataset", JSONObject.NULL)
                .put("contract", JSONObject.NULL)
                .put("baseline", hasBaseline ? first.plan.bundle.baseline : JSONObject.NULL)
                .put("constraints", constraints.put("deploy_on", "android-cpu").put("trust_estimates", false))
                .put("hardware", JSONObject.NULL)
                .put("variants", variants)
                .put("recommendation", JSONObject.NULL)
                .put("calibration_curve", new JSONArray())
                .put("warnings", warnings);
    }

    private static String created(long millis) {
        SimpleDateFormat format = new SimpleDateFormat("yyyy-MM-dd'T'HH:mm:ss'+00:00'", Locale.ROOT);
        format.setTimeZone(TimeZone.getTimeZone("UTC"));
        return format.format(new Date(millis));
    }

    private static JSONObject row(int index, JSONObject machine, List<BenchmarkResult> results) throws JSONException {
        Measurement first = results.get(0).measurements.get(index);
        Variant variant = first.variant;
        JSONArray others = new JSONArray();
        for (BenchmarkResult result : results.subList(1, results.size())) {
            Measurement other = result.measurements.get(index);
            if (other.error == null) {
                others.put(latency(other, result, machine));
            }
        }
        JSONObject row = new JSONObject()
                .put("name", variant.name)
                .put("scheme", Json.orNull(variant.scheme))
                .put("options", new JSONObject())
                .put("status", first.error == null ? "ok" : "failed")
                .put("error", Json.orNull(first.error))
                .put("file", variant.file.file)
                .put("sha256", variant.measuredSha256)
                .put("size_bytes", JSONObject.NULL)
                .put("inputs", tensors(variant.inputs))
                .put("outputs", tensors(variant.outputs))
                .put("integer_op_fraction", Json.number(variant.integerOpFraction))
                .put("min_runtime_version", Json.orNull(variant.minRuntimeVersion))
                .put("latency", first.error == null ? latency(first, results.get(0), machine) : JSONObject.NULL)
                .put("other_latencies", others)
                .put("sustained", first.samples.sustained == null ? JSONObject.NULL : first.samples.sustained.toJson())
                .put("reused", false);
        for (String field : NOT_MEASURED_HERE) {
            row.put(field, JSONObject.NULL);
        }
        for (String field : EMPTY_HERE) {
            row.put(field, new JSONArray());
        }
        return row;
    }

    private static JSONArray tensors(List<TensorSpec> specs) throws JSONException {
        JSONArray found = new JSONArray();
        for (TensorSpec spec : specs) {
            JSONArray shape = new JSONArray();
            for (int size : spec.shape()) {
                shape.put(size);
            }
            JSONObject quantization = new JSONObject()
                    .put("scale", new JSONArray().put((double) spec.scale))
                    .put("zero_point", new JSONArray().put(spec.zeroPoint))
                    .put("axis", JSONObject.NULL);
            found.put(new JSONObject()
                    .put("name", spec.name)
                    .put("shape", shape)
                    .put("dtype", spec.dtype)
                    .put("quantization", spec.quantized ? quantization : JSONObject.NULL));
        }
        return found;
    }

    private static JSONObject latency(Measurement one, BenchmarkResult result, JSONObject machine)
            throws JSONException {
        String runtime = "TensorFlow Lite " + one.samples.runtimeVersion;
        JSONObject identity = new JSONObject().put("runtime", runtime);
        for (String key : IDENTITY) {
            if (machine.has(key)) {
                identity.put(key, machine.get(key));
            }
        }
        if (machine.has("architecture")) {
            identity.put("machine", machine.get("architecture"));
        }
        return new JSONObject()
                .put("target", result.target)
                .put("target_kind", "phone")
                .put("good_for", new JSONArray().put("latency").put("memory").put("accuracy"))
                .put("threads", result.plan.threads)
                .put("protocol", result.plan.protocol.name)
                .put("statistic", "median")
                .put("median_ms", one.medianMs)
                .put("median_low_ms", Json.number(one.medianLowMs))
                .put("median_high_ms", Json.number(one.medianHighMs))
                .put("p90_ms", one.p90Ms)
                .put("p99_ms", one.p99Ms)
                .put("mean_ms", one.meanMs)
                .put("min_ms", one.minMs)
                .put("throughput_per_s", new JSONArray())
                .put("value_ms", one.medianMs)
                .put("low_ms", Json.number(one.medianLowMs))
                .put("high_ms", Json.number(one.medianHighMs))
                .put("init_ms", one.initMs)
                .put("first_ms", one.firstMs)
                .put("input_us", Json.number(one.inputUs))
                .put("output_us", Json.number(one.outputUs))
                .put("harness_us", Json.number(one.harnessUs))
                .put("runs", one.runs)
                .put("rounds", one.rounds)
                .put("warmup_runs", one.warmupRuns)
                .put("stopped_by", result.stoppedBy)
                .put("input_shapes", new JSONObject()) // bundles have models of fixed sizes only
                .put("runtime", runtime)
                .put("machine", identity)
                .put("accelerator", accelerator(one))
                .put("conditions", new JSONObject()
                        .put("before", result.before.toJson())
                        .put("after", result.after.toJson())
                        .put("worst_thermal_status",
                                Json.orNull(DeviceState.thermalName(result.worstThermalStatus))))
                .put("samples", one.samples.toJson())
                .put("ratio", one.ratio == null ? JSONObject.NULL : one.ratio.toJson());
    }

    private static JSONObject accelerator(Measurement one) throws JSONException {
        return new JSONObject()
                .put("requested", one.requestedAccelerator)
                .put("actual", one.actualAccelerator)
                .put("delegate", Json.orNull(one.accelerationDetail))
                .put("nodes", JSONObject.NULL)
                .put("delegated_nodes", JSONObject.NULL)
                .put("partitions", JSONObject.NULL);
    }
}
