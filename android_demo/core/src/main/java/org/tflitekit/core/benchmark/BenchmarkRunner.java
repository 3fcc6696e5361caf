package org.tflitekit.core.benchmark;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CancellationException;
import org.json.JSONException;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.core.inference.Engine;
import org.tflitekit.core.inference.EngineException;
import org.tflitekit.core.inference.EngineFactory;

/**
 * Measures variants in interleaved rounds, so that a device that grows warm hits all alike: in each round every variant
 * runs for a moment, in an order that a seed shuffles. The same method as the host's (tflitekit/latency/interleaving.py), but in one
 * process: where the host starts fresh processes, models are loaded anew.
 */
public final class BenchmarkRunner {
    private static final int CHECK_DRAWS = 1000;
    private static final int IO_RUNS = 50;

    private final EngineFactory engines;
    private final DeviceProbe device;
    private final Clock clock;

    public BenchmarkRunner(EngineFactory engines, DeviceProbe device) {
        this(engines, device, Clock.SYSTEM);
    }

    BenchmarkRunner(EngineFactory engines, DeviceProbe device, Clock clock) {
        this.engines = engines;
        this.device = device;
        this.clock = clock;
    }

    /**
     * Measures on the caller's thread. A variant that cannot be loaded or run is a measurement with an error; the others
     * go on. All models are closed at the end, however it comes.
     *
     * @param listener may be null
     * @throws CancellationException the listener did not want to go on
     */
    public BenchmarkResult run(BenchmarkPlan plan, BenchmarkListener listener) {
        return new Run(plan, listener).run();
    }

    /** One benchmark. */
    private final class Run {
        private final BenchmarkPlan plan;
        private final Protocol protocol;
        private final BenchmarkListener listener;
        private final Stopwatch stopwatch;
        /** By hash: the same bytes are measured once. */
        private final Map<String, Samples> files = new LinkedHashMap<String, Samples>();
        private int worstThermalStatus = DeviceState.UNKNOWN;
        private long begin;

        Run(BenchmarkPlan plan, BenchmarkListener listener) {
            this.plan = plan;
            this.listener = listener;
            protocol = plan.protocol;
            stopwatch = new Stopwatch(clock, protocol);
            for (Variant variant : plan.variants) {
                if (!files.containsKey(variant.measuredSha256)) {
                    files.put(variant.measuredSha256, new Samples(variant));
                }
            }
        }

        BenchmarkResult run() {
            begin = clock.nanos();
            DeviceState before = look();
            String stoppedBy = null;
            while (stoppedBy == null) {
                List<Samples> alive = alive();
                int finished = finishedRounds(alive);
                stoppedBy = reasonToStop(alive, finished);
                if (stoppedBy == null) {
                    measureBlock(alive, finished);
                }
            }
            if (plan.sustainedMinutes > 0) {
                for (Samples one : alive()) {
                    sustain(one);
                }
            }
            DeviceState after = look();
            Samples baseline = null;
            for (Variant variant : plan.variants) {
                if (variant.name.equals(plan.bundle.baseline)) {
                    baseline = files.get(variant.measuredSha256);
                }
            }
            List<Measurement> measurements = new ArrayList<Measurement>();
            for (Variant variant : plan.variants) {
                Samples samples = files.get(variant.measuredSha256);
                measurements.add(new Measurement(variant, samples, plan.bundle.baseline, baseline));
            }
            return new BenchmarkResult(plan, "android:" + device.name(), measurements, before, after,
                    worstThermalStatus, stoppedBy,
                    Doubts.about(measurements, before, after, worstThermalStatus, stoppedBy, protocol));
        }

        private List<Samples> alive() {
            List<Samples> alive = new ArrayList<Samples>();
            for (Samples one : files.values()) {
                if (one.error == null) {
                    alive.add(one);
                }
            }
            return alive;
        }

        private int finishedRounds(List<Samples> alive) {
            int finished = alive.isEmpty() ? protocol.rounds : Integer.MAX_VALUE;
            for (Samples one : alive) {
                finished = Math.min(finished, one.rounds.size());
            }
            return finished;
        }

        private String reasonToStop(List<Samples> alive, int finished) {
            if (alive.isEmpty()) {
                return "protocol";
            }
            if (finished >= protocol.rounds) {
                if (!protocol.stopsWhenPrecise()) {
                    return "protocol";
                }
                if (precise(alive)) {
                    return "precision";
                }
            }
            return finished > 0 && isOver(alive) ? "budget" : null;
        }

        private boolean precise(List<Samples> alive) {
            for (Samples one : alive) {
                int[] loads = one.loadOfRounds();
                int[][] weights = Statistics.weights(loads, CHECK_DRAWS, new Random(0));
                double[] medians = Statistics.quantiles(one.rounds, weights, 50);
                double[] interval = Statistics.interval(medians, loads);
                if (interval[1] - interval[0] >= protocol.precision * Statistics.percentile(medians, 50)) {
                    return false;
                }
            }
            return true;
        }

        private boolean isOver(List<Samples> alive) {
            return clock.nanos() - begin > protocol.budgetSeconds * 1e9 * alive.size();
        }

        /** Takes some rounds with freshly loaded models. */
        private void measureBlock(List<Samples> alive, int finished) {
            Map<Samples, Session> sessions = new LinkedHashMap<Samples, Session>();
            try {
                for (Samples one : alive) {
                    tell(finished, one);
                    try {
                        Session session = open(one);
                        sessions.put(one, session);
                        session.load();
                    } catch (EngineException error) {
                        one.error = error.getMessage();
                    } catch (BundleException error) {
                        one.error = error.getMessage();
                    }
                }
                Random random = new Random(plan.seed + finished);
                int rounds = protocol.roundsPerLoad > 0 ? protocol.roundsPerLoad : protocol.rounds - finished;
                for (int round = 0; round < rounds; round++) {
                    measureRound(sessions, random, finished, round);
                    look();
                    if (isOver(alive)) {
                        break;
                    }
                }
                for (Map.Entry<Samples, Session> entry : sessions.entrySet()) {
                    if (entry.getKey().error == null) {
                        entry.getValue().measureSurroundings();
                    }
                }
            } finally {
                for (Session session : sessions.values()) {
                    session.engine.close();
                }
            }
        }

        private void measureRound(Map<Samples, Session> sessions, Random random, int finished, int round) {
            List<Samples> order = new ArrayList<Samples>();
            for (Samples one : sessions.keySet()) {
                if (one.error == null) {
                    order.add(one);
                }
            }
            Collections.shuffle(order, random);
            for (Samples one : order) {
                tell(finished + round, one);
                sessions.get(one).measureRound(finished, round > 0);
            }
        }

        /** Puts one model under load for minutes; what its rounds found stays where that fails. */
        private void sustain(final Samples one) {
            tellLoad(0, one);
            Session session = null;
            try {
                session = open(one);
                one.sustained = session.sustain(new SustainedLoad.Listener() {
                    @Override
                    public void step(int done) {
                        look();
                        tellLoad(done, one);
                    }
                });
            } catch (EngineException error) {
                one.sustainedError = error.getMessage();
            } catch (BundleException error) {
                one.sustainedError = error.getMessage();
            } finally {
                if (session != null) {
                    session.engine.close();
                }
            }
        }

        private Session open(Samples one) throws EngineException, BundleException {
            long start = clock.nanos();
            Engine engine = engines.open(plan.bundle, one.variant, plan.accelerator, plan.threads);
            return new Session(one, engine, clock.nanos() - start);
        }

        private void tell(int finished, Samples one) {
            if (proceeds()) {
                listener.progress(finished, protocol.rounds, one.variant.name);
            }
        }

        private void tellLoad(int done, Samples one) {
            if (proceeds()) {
                listener.underLoad(done, SustainedLoad.STEPS, one.variant.name);
            }
        }

        /** Returns whether somebody listens. */
        private boolean proceeds() {
            if (listener != null && !listener.proceed()) {
                throw new CancellationException("The benchmark was stopped; nothing was kept.");
            }
            return listener != null;
        }

        private DeviceState look() {
            DeviceState state = device.state();
            worstThermalStatus = Math.max(worstThermalStatus, state.thermalStatus);
            return state;
        }

        /** One loaded model. */
        private final class Session {
            private final Samples one;
            private final Engine engine;
            private final long initNanos;
            private final Stopwatch.Task inference;
            private Tensors tensors;

            Session(Samples one, Engine newEngine, long initNanos) {
                this.one = one;
                this.engine = newEngine;
                this.initNanos = initNanos;
                inference = new Stopwatch.Task() {
                    @Override
                    public void run() throws EngineException {
                        engine.invoke();
                    }
                };
            }

            void load() throws EngineException {
                tensors = new Tensors(engine, one.variant);
                tensors.store();
                double firstMicros = stopwatch.median(inference, 1);
                one.initMicros.add(initNanos / 1e3);
                one.firstMicros.add(firstMicros);
                one.harnessMicros.add(stopwatch.harness());
                one.requestedAccelerator = engine.requestedAccelerator();
                one.actualAccelerator = engine.actualAccelerator();
                one.accelerationDetail = engine.accelerationDetail();
                one.runtimeVersion = engine.runtimeVersion();
                one.warmupRuns += stopwatch.warmUp(inference, protocol.warmupRuns, protocol.warmupSeconds);
            }

            SustainedLoad sustain(SustainedLoad.Listener listener) throws EngineException {
                tensors = new Tensors(engine, one.variant);
                tensors.store();
                stopwatch.warmUp(inference, protocol.warmupRuns, protocol.warmupSeconds);
                try {
                    return SustainedLoad.run(plan.sustainedMinutes, stopwatch, inference, clock, device, listener);
                } catch (JSONException error) {
                    throw new IllegalStateException("A figure is not a number that JSON has.", error);
                }
            }

            void measureRound(int load, boolean again) {
                try {
                    if (again) {
                        one.warmupRuns += stopwatch.warmUp(inference, protocol.rewarmRuns, 0);
                    }
                    stopwatch.measure(inference, protocol.roundRuns, protocol.roundSeconds);
                } catch (EngineException error) {
                    one.error = error.getMessage();
                    return;
                }
                one.rounds.add(stopwatch.microseconds());
                one.loads.add(load);
            }

            void measureSurroundings() {
                try {
                    one.inputMicros = stopwatch.median(new Stopwatch.Task() {
                        @Override
                        public void run() {
                            tensors.store();
                        }
                    }, IO_RUNS);
                    one.outputMicros = stopwatch.median(new Stopwatch.Task() {
                        @Override
                        public void run() {
                            tensors.fetch();
                        }
                    }, IO_RUNS);
                } catch (EngineException error) {
                    one.error = error.getMessage();
                }
            }
        }
    }
}
