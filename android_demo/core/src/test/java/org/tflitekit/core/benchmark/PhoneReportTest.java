package org.tflitekit.core.benchmark;

import static org.junit.Assert.assertEquals;
import static org.junit.Assume.assumeNotNull;

import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;
import org.junit.Test;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleFolder;
import org.tflitekit.core.inference.LiteRtCEngine;

/**
 * What the Python test (tests/android/test_phone_report.py) compares with the kit: a report of the real runtime, the protocols, and
 * statistics of samples that Python gives.
 */
public class PhoneReportTest {
    private final String folder = System.getProperty("tflitekit.phone");

    @Test
    public void aReportOfTheRealRuntime() throws Exception {
        String bundleFolder = System.getProperty("tflitekit.bundle");
        String library = System.getProperty("tflitekit.litert.library");
        assumeNotNull(folder, bundleFolder, library);
        Bundle bundle = Bundle.read(new BundleFolder(new File(bundleFolder)));
        LiteRtCEngine.Factory engines =
                new LiteRtCEngine.Factory(library, System.getProperty("tflitekit.litert.version"));
        Protocol quick = Protocol.QUICK;
        Protocol hasty = new Protocol(quick.name, quick.summary, quick.warmupRuns, quick.warmupSeconds,
                quick.rewarmRuns, quick.roundRuns, quick.roundSeconds, quick.rounds, quick.roundsPerLoad,
                quick.precision, 1);
        FakeDevice device = new FakeDevice();
        device.thermal = new int[] {0, 1, 0};
        List<BenchmarkResult> results = new ArrayList<>();
        for (String accelerator : engines.accelerators()) {
            BenchmarkPlan plan = new BenchmarkPlan(bundle, bundle.variants, accelerator, 1, hasty,
                    BenchmarkPlan.DEFAULT_SEED);
            BenchmarkResult result = new BenchmarkRunner(engines, device).run(plan, null);
            for (Measurement measurement : result.measurements) {
                assertEquals(null, measurement.error);
            }
            results.add(result);
        }
        ReportWriter.write(ReportWriter.report(device, results, Collections.singletonMap("tflitekit-demo", "test"),
                System.currentTimeMillis()), new File(folder, "phone.json"));
    }

    @Test
    public void protocols() throws Exception {
        assumeNotNull(folder);
        JSONArray all = new JSONArray();
        for (Protocol one : Protocol.all()) {
            all.put(new JSONObject().put("name", one.name).put("summary", one.summary)
                    .put("warmup_runs", one.warmupRuns).put("warmup_s", one.warmupSeconds)
                    .put("rewarm_runs", one.rewarmRuns).put("round_runs", one.roundRuns)
                    .put("round_s", one.roundSeconds).put("rounds", one.rounds)
                    .put("rounds_per_process", one.roundsPerLoad == 0 ? JSONObject.NULL : one.roundsPerLoad)
                    .put("precision", Json.number(one.precision)).put("budget_s", one.budgetSeconds));
        }
        write("protocols.json", all.toString());
    }

    @Test
    public void statistics() throws Exception {
        assumeNotNull(folder);
        JSONObject given = new JSONObject(new String(
                Files.readAllBytes(new File(folder, "samples.json").toPath()), StandardCharsets.UTF_8));
        int[][] weights = rows(given.getJSONArray("weights"));
        int[] loads = integers(given.getJSONArray("loads").getJSONArray(0));
        List<float[]> rounds = new ArrayList<>();
        for (int[] micros : rows(given.getJSONArray("rounds"))) {
            float[] round = new float[micros.length];
            for (int i = 0; i < round.length; i++) {
                round[i] = micros[i];
            }
            rounds.add(round);
        }
        double[] medians = Statistics.quantiles(rounds, weights, 50);
        JSONArray tails = new JSONArray();
        for (int clusters = 1; clusters < 200; clusters++) {
            tails.put(Statistics.tail(clusters));
        }
        write("statistics.json", new JSONObject()
                .put("medians", numbers(medians))
                .put("p90", numbers(Statistics.quantiles(rounds, weights, 90)))
                .put("interval", numbers(Statistics.interval(medians, loads)))
                .put("tails", tails).toString());
    }

    private void write(String name, String text) throws Exception {
        Files.write(new File(folder, name).toPath(), text.getBytes(StandardCharsets.UTF_8));
    }

    private static JSONArray numbers(double[] values) throws JSONException {
        JSONArray found = new JSONArray();
        for (double value : values) {
            found.put(value);
        }
        return found;
    }

    private static int[][] rows(JSONArray rows) throws JSONException {
        int[][] found = new int[rows.length()][];
        for (int i = 0; i < found.length; i++) {
            found[i] = integers(rows.getJSONArray(i));
        }
        return found;
    }

    private static int[] integers(JSONArray row) throws JSONException {
        int[] found = new int[row.length()];
        for (int i = 0; i < found.length; i++) {
            found[i] = row.getInt(i);
        }
        return found;
    }
}
