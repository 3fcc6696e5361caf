package org.tflitekit.core.benchmark;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.CancellationException;
import org.json.JSONArray;
import org.json.JSONObject;
import org.junit.Before;
import org.junit.Test;
import org.tflitekit.core.AllocatedBytes;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.SmallBundle;
import org.tflitekit.core.inference.EngineException;

/** The protocols with a scripted clock: every number is exact. */
public class BenchmarkRunnerTest {
    private final FakeDevice device = new FakeDevice();
    private Bundle bundle;

    @Before
    public void open() throws Exception {
        bundle = bundle("a", "b");
        device.runMs.put("float32", 10.0);
        device.runMs.put("int8", 4.0);
    }

    static Bundle bundle(String... hashes) throws Exception {
        SmallBundle small = new SmallBundle();
        for (int i = 0; i < hashes.length; i++) {
            small.variant(i).put("measured_sha256", hashes[i]);
        }
        return small.read();
    }

    private BenchmarkResult run(Protocol protocol) {
        return run(protocol, null);
    }

    private BenchmarkResult run(Protocol protocol, BenchmarkListener listener) {
        BenchmarkPlan plan = new BenchmarkPlan(bundle, bundle.variants, "cpu", 2, protocol, 1);
        return new BenchmarkRunner(device, device, device).run(plan, listener);
    }

    @Test
    public void benchmarkModelTakesTenRoundsOfFiveRunsAndATenthOfASecond() {
        BenchmarkResult result = run(Protocol.BENCHMARK_MODEL);
        assertEquals("protocol", result.stoppedBy);
        assertEquals("android:Fake 1 (Android 15)", result.target);
        Measurement slow = result.measurements.get(0);
        Measurement fast = result.measurements.get(1);
        assertEquals(10, slow.rounds);
        assertEquals(100, slow.runs); // 10 runs of 10 ms fill 0.1 s
        assertEquals(250, fast.runs);
        assertEquals(50 + 9, slow.warmupRuns); // 0.5 s, then one before each further round
        assertEquals(125 + 9, fast.warmupRuns);
        assertEquals(10.0, slow.medianMs, 0);
        assertEquals(10.0, slow.p99Ms, 0);
        assertEquals(10.0, slow.meanMs, 0);
        assertEquals(10.0, slow.medianLowMs, 0);
        assertEquals(3.0, slow.initMs, 0);
        assertEquals(10.0, slow.firstMs, 0);
        assertEquals(0.0, slow.harnessUs, 0);
        assertNull(slow.ratio);
        assertEquals(0.4, fast.ratio.value, 1e-9);
        assertEquals(0.4, fast.ratio.low, 1e-9);
        assertEquals("faster", fast.ratio.verdict);
        assertEquals("float32", fast.ratio.baseline);
        assertEquals(2, device.opened);
        assertEquals(0, device.open);
        assertEquals(0, result.warnings.size());
    }

    @Test
    public void quickEndsWhenEveryMedianIsPrecise() {
        BenchmarkResult result = run(Protocol.QUICK);
        assertEquals("precision", result.stoppedBy);
        Measurement fast = result.measurements.get(1);
        assertEquals(15, fast.rounds);
        assertEquals(15 * 7, fast.runs); // 7 runs of 4 ms are more than 20 ms
        assertEquals(5 * (5 + 2), fast.warmupRuns); // 20 ms are 5 runs; 3 rounds a load
        assertEquals(10, device.opened);
        assertArrayEquals(new int[] {0, 0, 0, 3, 3, 3, 6, 6, 6, 9, 9, 9, 12, 12, 12}, fast.samples.loadOfRounds());
    }

    @Test
    public void quickEndsWhenTimeIsUp() {
        device.loadLuck = 0.5;
        BenchmarkResult result = run(Protocol.QUICK);
        assertEquals("budget", result.stoppedBy);
        double seconds = device.nanos() / 1e9;
        assertTrue("" + seconds, seconds > 20 && seconds < 21); // 10 s for each of two files
        assertTrue(result.measurements.get(0).medianHighMs > result.measurements.get(0).medianLowMs);
        assertEquals("budget-spent", result.warnings.get(0).kind);
    }

    @Test
    public void everyRoundHasEveryVariantInAnOrderOfTheSeed() {
        List<String> first = turns();
        Bundle same = bundle;
        device.runs.clear();
        bundle = same;
        assertEquals(first, turns());
        HashSet<String> orders = new HashSet<>();
        for (int i = 0; i < first.size(); i += 2) {
            assertNotEquals(first.get(i), first.get(i + 1));
            orders.add(first.get(i));
        }
        assertEquals(15, first.size() / 2);
        assertEquals(2, orders.size());
    }

    /** Returns the variants in the order in which rounds were taken. */
    private List<String> turns() {
        final List<String> turns = new ArrayList<>();
        run(Protocol.QUICK, new BenchmarkListener() {
            private int last = -1;
            private int loading;

            @Override
            public void progress(int finishedRounds, int plannedRounds, String variant) {
                assertEquals(15, plannedRounds);
                boolean loads = finishedRounds % 3 == 0 && finishedRounds != last && loading < 2;
                loading = loads ? loading + 1 : 0;
                if (!loads) {
                    turns.add(variant);
                    last = finishedRounds;
                }
            }

            @Override
            public void underLoad(int done, int planned, String variant) {}

            @Override
            public boolean proceed() {
                return true;
            }
        });
        return turns;
    }

    @Test
    public void aVariantThatFailsDoesNotStopTheOthers() {
        device.failsAt.put("int8", 60);
        BenchmarkResult result = run(Protocol.QUICK);
        assertEquals("The runtime failed at int8.", result.measurements.get(1).error);
        assertTrue(Double.isNaN(result.measurements.get(1).medianMs));
        assertNull(result.measurements.get(0).error);
        assertEquals(15, result.measurements.get(0).rounds);
        assertEquals(0, device.open);
    }

    @Test
    public void aVariantThatIsRefusedDoesNotStopTheOthers() {
        device.refused = "float32";
        BenchmarkResult result = run(Protocol.QUICK);
        assertEquals("The runtime refuses float32.", result.measurements.get(0).error);
        assertEquals(4.0, result.measurements.get(1).medianMs, 0);
        assertNull(result.measurements.get(1).ratio);
        device.refused = "";
        device.failsAt.put("float32", 1);
        device.failsAt.put("int8", 1);
        assertEquals("protocol", run(Protocol.QUICK).stoppedBy);
        assertEquals(0, device.open);
    }

    @Test
    public void stoppingClosesTheModels() {
        final int[] asked = {0};
        try {
            run(Protocol.QUICK, new BenchmarkListener() {
                @Override
                public void progress(int finishedRounds, int plannedRounds, String variant) {}

                @Override
                public void underLoad(int done, int planned, String variant) {}

                @Override
                public boolean proceed() {
                    return ++asked[0] < 6;
                }
            });
            fail();
        } catch (CancellationException expected) {
            assertEquals(2, device.opened);
            assertEquals(0, device.open);
        }
    }

    @Test
    public void theSameFileIsMeasuredOnce() throws Exception {
        bundle = bundle("a", "a");
        BenchmarkResult result = run(Protocol.QUICK);
        assertFalse(device.runs.contains("int8"));
        assertEquals(10.0, result.measurements.get(1).medianMs, 0);
        assertEquals("tie", result.measurements.get(1).ratio.verdict);
        assertEquals(1.0, result.measurements.get(1).ratio.high, 0);
    }

    @Test
    public void heatIsAWarning() {
        device.thermal = new int[] {0, 1, 2, 1, 0};
        BenchmarkResult result = run(Protocol.QUICK);
        assertEquals(2, result.worstThermalStatus);
        assertEquals(0, result.after.thermalStatus);
        assertEquals("throttled", result.warnings.get(0).kind);
        assertTrue(result.warnings.get(0).message.contains("'moderate'"));
    }

    @Test
    public void slowingDownIsAWarningEvenIfTheDeviceDoesNotTellItsHeat() {
        device.drift = 0.0015;
        BenchmarkResult result = run(Protocol.QUICK);
        assertEquals(DeviceState.UNKNOWN, result.worstThermalStatus);
        assertEquals("throttled", result.warnings.get(0).kind);
        assertTrue(result.warnings.get(0).message, result.warnings.get(0).message.startsWith("The device slowed down by "));
    }

    @Test
    public void savingPowerAndAnotherAcceleratorAreWarnings() {
        device.powerSave = true;
        device.actual = "cpu_builtin";
        List<String> kinds = new ArrayList<>();
        for (Finding finding : run(Protocol.BENCHMARK_MODEL).warnings) {
            kinds.add(finding.kind);
        }
        assertEquals(Arrays.asList("power-save", "other-accelerator", "other-accelerator"), kinds);
    }

    @Test
    public void nothingIsAllocatedWhileMeasuring() throws Exception {
        final int[] calls = {0};
        Stopwatch stopwatch = new Stopwatch(Clock.SYSTEM, Protocol.BENCHMARK_MODEL);
        Stopwatch.Task task = new Stopwatch.Task() {
            @Override
            public void run() throws EngineException {
                calls[0]++;
            }
        };
        stopwatch.measure(task, 5000, 0);
        AllocatedBytes.now();
        long before = AllocatedBytes.now();
        stopwatch.measure(task, 5000, 0);
        assertEquals(before, AllocatedBytes.now());
        assertEquals(10000, calls[0]);
    }

    @Test
    public void inputsAreWhatTheHostGives() throws Exception {
        // Random values from 0 to 1; quantized: 0.5 a step around -2.
        org.tflitekit.core.inference.Engine engine = device.open(bundle, bundle.variants.get(0), "cpu", 1);
        new Tensors(engine, bundle.variants.get(0)).store();
        HashSet<Float> values = new HashSet<>();
        for (int i = 0; i < 4; i++) {
            float value = engine.input(0).getFloat(4 * i);
            assertTrue(value >= 0 && value < 1);
            values.add(value);
        }
        assertEquals(4, values.size());
    }

    private BenchmarkRequest request() {
        BenchmarkRequest request = new BenchmarkRequest();
        request.protocol = "benchmark-model";
        return request;
    }

    @Test
    public void loadOverMinutesHasACurveAndWhatTheBatterySays() throws Exception {
        BenchmarkRequest request = request();
        request.sustainedMinutes = 2;
        device.drift = 1e-4;
        final List<String> told = new ArrayList<>();
        BenchmarkResult result = new BenchmarkRunner(device, device, device).run(request.plan(bundle), new BenchmarkListener() {
            @Override
            public void progress(int finishedRounds, int plannedRounds, String variant) {}

            @Override
            public void underLoad(int done, int planned, String variant) {
                told.add(variant + " " + done + "/" + planned);
            }

            @Override
            public boolean proceed() {
                return true;
            }
        });
        assertEquals("float32 0/120", told.get(0));
        assertTrue(told.contains("int8 120/120"));
        JSONObject load = result.measurements.get(0).samples.sustained.toJson();
        assertEquals(load.getJSONArray("times_s").length(), load.getJSONArray("median_ms").length());
        assertTrue(load.getDouble("change") > 1);
        JSONArray states = load.getJSONArray("states");
        JSONObject last = states.getJSONObject(states.length() - 1);
        assertEquals(120, last.getDouble("time_s"), 2);
        assertTrue(last.getLong("runs") > 1000);
        assertEquals(device.loadMicroAmperes, last.getJSONObject("battery").getLong("current_ua"));
        assertTrue(last.getJSONObject("battery").isNull("energy_nwh"));
        JSONArray idle = load.getJSONArray("idle");
        assertEquals(13, idle.length()); // a tenth of two minutes, each second
        assertEquals(device.idleMicroAmperes, idle.getJSONObject(12).getJSONObject("battery").getLong("current_ua"));
        assertEquals(0, device.open);
    }

    @Test
    public void deviceThatStallsStillTellsItsPower() throws Exception {
        BenchmarkRequest request = request();
        request.sustainedMinutes = 0.01;
        device.runMs.put("int8", 5000.0); // longer than the load
        device.oversleeps = 5;
        JSONObject load = new BenchmarkRunner(device, device, device).run(request.plan(bundle), null)
                .measurements.get(1).samples.sustained.toJson();
        assertEquals(3, load.getJSONArray("idle").length());
        assertEquals(3, load.getJSONArray("states").length());
        assertEquals(2, load.getJSONArray("median_ms").length());
    }

    @Test
    public void whatFailsUnderLoadKeepsItsLatency() throws Exception {
        BenchmarkRequest request = request();
        request.sustainedMinutes = 2;
        device.failsAt.put("int8", 1000);
        BenchmarkResult result = new BenchmarkRunner(device, device, device).run(request.plan(bundle), null);
        Measurement fast = result.measurements.get(1);
        assertNull(fast.error);
        assertNull(fast.samples.sustained);
        assertEquals(4.0, fast.medianMs, 0);
        assertEquals("sustained-failed", result.warnings.get(0).kind);
        assertTrue(result.measurements.get(0).samples.sustained != null);
    }

    @Test
    public void asManyRunsAsAsked() throws Exception {
        BenchmarkRequest request = request();
        request.runs = 1001;
        BenchmarkPlan plan = request.plan(bundle);
        assertEquals("benchmark-model, 1001 runs", plan.protocol.name);
        BenchmarkResult result = new BenchmarkRunner(device, device, device).run(plan, null);
        assertEquals(1010, result.measurements.get(0).runs); // ten rounds of 101
        request.sustainedMinutes = -1;
        try {
            request.plan(bundle);
            fail();
        } catch (IllegalArgumentException expected) {
            assertTrue(expected.getMessage(), expected.getMessage().contains("-1"));
        }
    }
}
