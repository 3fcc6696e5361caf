package org.tflitekit.core.benchmark;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.Collections;
import org.json.JSONObject;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;
import org.tflitekit.core.bundle.Bundle;

public class ReportWriterTest {
    @Rule
    public final TemporaryFolder folder = new TemporaryFolder();

    private static BenchmarkResult run(FakeDevice device, Bundle bundle, int threads) {
        BenchmarkPlan plan = new BenchmarkPlan(bundle, bundle.variants, "cpu", threads, Protocol.QUICK, 1);
        return new BenchmarkRunner(device, device, device).run(plan, null);
    }

    @Test
    public void samplesAreWhatWasMeasured() throws Exception {
        FakeDevice device = new FakeDevice();
        device.runMs.put("float32", 10.0);
        device.runMs.put("int8", 4.0);
        device.failsAt.put("int8", 200);
        Bundle bundle = BenchmarkRunnerTest.bundle("a", "b");
        BenchmarkResult one = run(device, bundle, 1);
        BenchmarkResult two = run(device, bundle, 2);
        JSONObject report = ReportWriter.report(device, Arrays.asList(one, two),
                Collections.singletonMap("tflitekit-demo", "0.4.0"), 1000L);
        File file = folder.newFile("phone.json");
        ReportWriter.write(report, file);
        assertFalse(new File(file.getPath() + ".part").exists());
        JSONObject read = new JSONObject(new String(Files.readAllBytes(file.toPath()), "UTF-8"));
        assertEquals("1970-01-01T00:00:01+00:00", read.getString("created"));
        assertEquals("float32", read.getString("baseline"));
        JSONObject row = read.getJSONArray("variants").getJSONObject(0);
        assertEquals("a", row.getString("sha256"));
        JSONObject latency = row.getJSONObject("latency");
        assertEquals(10.0, latency.getDouble("median_ms"), 0);
        JSONObject samples = latency.getJSONObject("samples");
        assertEquals(15, samples.getJSONArray("round_sizes").length());
        ByteBuffer data = ByteBuffer.wrap(java.util.Base64.getDecoder().decode(samples.getString("data")))
                .order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(4 * 15 * 7, data.remaining());
        assertEquals(10000f, data.getFloat(0), 0);
        assertEquals(2, row.getJSONArray("other_latencies").getJSONObject(0).getInt("threads"));
        JSONObject failed = read.getJSONArray("variants").getJSONObject(1);
        assertEquals("ok", failed.getString("status"));
        assertEquals(0, failed.getJSONArray("other_latencies").length()); // its 200th run was in the second benchmark
    }

    @Test
    public void longBenchmarksKeepEachKthSample() throws Exception {
        Samples samples = new Samples(BenchmarkRunnerTest.bundle("a").variants.get(0));
        for (int round = 0; round < 3; round++) {
            float[] values = new float[15000];
            for (int i = 0; i < values.length; i++) {
                values[i] = i;
            }
            samples.rounds.add(values);
            samples.loads.add(round);
        }
        JSONObject json = samples.toJson();
        assertEquals(3, json.getInt("kept_every"));
        assertEquals(5000, json.getJSONArray("round_sizes").getInt(2));
        ByteBuffer data = ByteBuffer.wrap(java.util.Base64.getDecoder().decode(json.getString("data")))
                .order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(4 * 15000, data.remaining());
        float[] first = {data.getFloat(0), data.getFloat(4), data.getFloat(8)};
        assertArrayEquals(new float[] {0, 3, 6}, first, 0);
        assertTrue(json.getString("data").length() % 4 == 0);
    }
}
