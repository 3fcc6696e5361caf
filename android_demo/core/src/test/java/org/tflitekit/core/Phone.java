package org.tflitekit.core;

import java.io.File;
import java.io.IOException;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import org.json.JSONException;
import org.json.JSONObject;
import org.tflitekit.core.benchmark.BatteryState;
import org.tflitekit.core.benchmark.BenchmarkListener;
import org.tflitekit.core.benchmark.BenchmarkRequest;
import org.tflitekit.core.benchmark.BenchmarkResult;
import org.tflitekit.core.benchmark.BenchmarkRunner;
import org.tflitekit.core.benchmark.DeviceProbe;
import org.tflitekit.core.benchmark.DeviceState;
import org.tflitekit.core.benchmark.ReportWriter;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.BundleFolder;
import org.tflitekit.core.inference.LiteRtCEngine;
import org.tflitekit.core.runs.RunFiles;
import org.tflitekit.core.verify.ImageCheck;
import org.tflitekit.core.verify.ImageIoDecoder;
import org.tflitekit.core.verify.RunCheck;
import org.tflitekit.core.verify.Verification;
import org.tflitekit.core.verify.VerificationListener;
import org.tflitekit.core.verify.Verifier;

/**
 * The app without Android, for tests/android/test_adb.py: it takes the folder of its storage and what follows {@code am} in an intent
 * that starts a run, and leaves there what the app's activities leave. The runtime is the host's.
 */
public final class Phone {
    private final Map<String, String> extras = new HashMap<>();
    private final LiteRtCEngine.Factory engines = new LiteRtCEngine.Factory(
            System.getProperty("tflitekit.litert.library"), System.getProperty("tflitekit.litert.version"));
    private final DeviceProbe device = new Device();
    private final RunFiles files;
    private final Bundle bundle;

    private Phone(File storage, String[] arguments) throws IOException, BundleException {
        for (int i = 0; i + 2 < arguments.length; i++) {
            if (arguments[i].matches("--e[sifl]")) {
                extras.put(arguments[i + 1], arguments[i + 2]);
            }
        }
        files = RunFiles.open(new File(storage, "runs"), extras.get("run_id"));
        bundle = Bundle.read(new BundleFolder(new File(new File(storage, "bundles"), extras.get("bundle"))));
    }

    public static void main(String[] arguments) throws Exception {
        Phone phone = new Phone(new File(arguments[0]), arguments);
        try {
            if (String.join(" ", arguments).contains(".BenchActivity")) {
                phone.measure();
            } else {
                phone.verify();
            }
        } catch (BundleException | IllegalArgumentException error) {
            phone.files.fail(error.getMessage());
        }
        System.exit(0);
    }

    private String extra(String name, Object otherwise) {
        return extras.getOrDefault(name, String.valueOf(otherwise));
    }

    private void measure() throws Exception {
        BenchmarkRequest wanted = new BenchmarkRequest();
        wanted.protocol = extra("protocol", wanted.protocol);
        wanted.threads = Integer.parseInt(extra("threads", wanted.threads));
        wanted.runs = Integer.parseInt(extra("runs", wanted.runs));
        wanted.seed = Long.parseLong(extra("seed", wanted.seed));
        wanted.sustainedMinutes = Double.parseDouble(extra("sustained_minutes", wanted.sustainedMinutes));
        BenchmarkResult result = new BenchmarkRunner(engines, device).run(wanted.plan(bundle), new BenchmarkListener() {
            @Override
            public void progress(int finishedRounds, int plannedRounds, String variant) {
                tell(finishedRounds, plannedRounds, variant);
            }

            @Override
            public void underLoad(int done, int planned, String variant) {
                tell(done, planned, variant);
            }

            @Override
            public boolean proceed() {
                return true;
            }
        });
        files.finish("report.json", ReportWriter.report(device, Collections.singletonList(result),
                Collections.singletonMap("tflitekit-demo", "test"), System.currentTimeMillis()).toString(2));
    }

    private void verify() throws Exception {
        Verification result = new Verifier(bundle, engines, new ImageIoDecoder()).verify(Collections.singletonList("cpu"), 1,
                new VerificationListener() {
                    @Override
                    public void image(ImageCheck check) {
                        tell(0, 1, check.sample);
                    }

                    @Override
                    public void run(RunCheck check) {
                        tell(0, 1, check.variant);
                    }

                    @Override
                    public boolean proceed() {
                        return true;
                    }
                });
        files.finish("verification.json", result.toJson().toString(2));
    }

    private void tell(int done, int planned, String what) {
        try {
            files.progress(done, planned, what);
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }

    /** Discharges by a milliampere-hour each time that it is asked. */
    private static final class Device implements DeviceProbe {
        private final String name = System.getProperty("tflitekit.phone.name", "Paper 1 (Android 15)");
        private long charge = 2500000;

        @Override
        public String name() {
            return name;
        }

        @Override
        public JSONObject machine() {
            try {
                return new JSONObject().put("system", "Android 15 (API 35)").put("architecture", "arm64-v8a")
                        .put("cpu", "paper").put("cores", 8).put("memory_bytes", 8000000000L)
                        .put("kernel_features", new JSONObject()).put("device", name);
            } catch (JSONException error) {
                throw new IllegalStateException(error);
            }
        }

        @Override
        public DeviceState state() {
            return new DeviceState(0, 81, 29.5, false, false);
        }

        @Override
        public BatteryState battery() {
            charge -= 1000;
            return new BatteryState(false, 4000, -800000, charge, BatteryState.UNKNOWN);
        }
    }
}
