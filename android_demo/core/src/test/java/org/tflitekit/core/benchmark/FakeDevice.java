package org.tflitekit.core.benchmark;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.json.JSONException;
import org.json.JSONObject;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.core.inference.Engine;
import org.tflitekit.core.inference.EngineException;
import org.tflitekit.core.inference.EngineFactory;

/** A device whose clock only moves while a model runs, by as much as a script says: figures are exact. */
final class FakeDevice implements Clock, DeviceProbe, EngineFactory {
    /** Milliseconds of one run by variant. */
    final Map<String, Double> runMs = new HashMap<>();
    /** Names of the variants in the order of their runs. */
    final List<String> runs = new ArrayList<>();
    /** Run of a variant, counted from 1, that fails. */
    final Map<String, Integer> failsAt = new HashMap<>();
    /** The statuses that the device tells one after the other; it stays at the last. */
    int[] thermal = {DeviceState.UNKNOWN};
    boolean powerSave;
    String refused = "";
    String actual;
    /** Of two variants, every other load is slower by this share. */
    double loadLuck;
    /** Each run is slower than the one before by this share of the first. */
    double drift;
    int opened;
    int open;
    /** The current that it draws while a model runs, and while it idles. */
    long loadMicroAmperes = -900000;
    long idleMicroAmperes = -300000;
    boolean plugged;
    /** Each pause is longer by so many seconds. */
    double oversleeps;
    private int told;
    private boolean idle;
    private double nanos;

    @Override
    public long nanos() {
        return (long) nanos;
    }

    @Override
    public String name() {
        return "Fake 1 (Android 15)";
    }

    @Override
    public JSONObject machine() {
        try {
            return new JSONObject().put("system", "Android 15 (API 35)").put("architecture", "arm64-v8a")
                    .put("cpu", "paper").put("cores", 8).put("memory_bytes", 8000000000L)
                    .put("kernel_features", new JSONObject()).put("device", "Fake 1");
        } catch (JSONException error) {
            throw new IllegalStateException(error);
        }
    }

    @Override
    public DeviceState state() {
        int status = thermal[Math.min(told++, thermal.length - 1)];
        return new DeviceState(status, 81, 29.5, false, powerSave);
    }

    @Override
    public void sleep(double seconds) {
        nanos += (seconds + oversleeps) * 1e9;
        idle = true;
    }

    @Override
    public BatteryState battery() {
        return new BatteryState(plugged, 4000, idle ? idleMicroAmperes : loadMicroAmperes, 2500000, BatteryState.UNKNOWN);
    }

    @Override
    public Engine open(Bundle bundle, Variant variant, String accelerator, int threads) throws EngineException {
        if (variant.name.equals(refused)) {
            throw new EngineException("The runtime refuses " + variant.name + ".");
        }
        opened++;
        open++;
        nanos += 3e6;
        return new FakeEngine(variant, accelerator, threads, 1 + loadLuck * ((opened - 1) / 2 % 2));
    }

    @Override
    public List<String> accelerators() {
        return Arrays.asList("cpu", "gpu");
    }

    @Override
    public String runtimeVersion() {
        return "2.16.1";
    }

    private final class FakeEngine implements Engine {
        private final Variant variant;
        private final String accelerator;
        private final int threads;
        private final double luck;
        private final ByteBuffer input;
        private final ByteBuffer output;
        private boolean closed;

        FakeEngine(Variant variant, String accelerator, int threads, double luck) {
            this.variant = variant;
            this.accelerator = accelerator;
            this.threads = threads;
            this.luck = luck;
            input = ByteBuffer.allocateDirect(variant.inputs.get(0).bytes()).order(ByteOrder.nativeOrder());
            output = ByteBuffer.allocateDirect(variant.outputs.get(0).bytes()).order(ByteOrder.nativeOrder());
        }

        @Override
        public ByteBuffer input(int index) {
            return input;
        }

        @Override
        public ByteBuffer output(int index) {
            return output;
        }

        @Override
        public void invoke() throws EngineException {
            runs.add(variant.name);
            idle = false;
            nanos += runMs.get(variant.name) * 1e6 * luck * (1 + drift * runs.size());
            Integer last = failsAt.get(variant.name);
            if (last != null && Collections.frequency(runs, variant.name) >= last) {
                throw new EngineException("The runtime failed at " + variant.name + ".");
            }
        }

        @Override
        public String requestedAccelerator() {
            return accelerator;
        }

        @Override
        public String actualAccelerator() {
            return actual == null ? accelerator : actual;
        }

        @Override
        public String accelerationDetail() {
            return "XNNPACK";
        }

        @Override
        public int threads() {
            return threads;
        }

        @Override
        public String runtimeVersion() {
            return "2.16.1";
        }

        @Override
        public void close() {
            open -= closed ? 0 : 1;
            closed = true;
        }
    }
}
