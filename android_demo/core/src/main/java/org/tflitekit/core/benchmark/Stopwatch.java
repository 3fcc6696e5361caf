package org.tflitekit.core.benchmark;

import org.tflitekit.core.inference.EngineException;

/** Times runs one by one. Nothing is allocated while it does. */
final class Stopwatch {
    /** What is timed. */
    interface Task {
        void run() throws EngineException;
    }

    private static final double FASTEST_SECONDS = 1e-6;
    private static final int HARNESS_RUNS = 2000;
    private static final double NANOS = 1e9;

    private final Clock clock;
    private final long[] nanos;
    private int count;

    /** @param protocol whose rounds fit; a round of faster runs than one a microsecond ends early */
    Stopwatch(Clock clock, Protocol protocol) {
        this.clock = clock;
        nanos = new long[Math.max(HARNESS_RUNS, protocol.roundRuns)
                + (int) Math.ceil(protocol.roundSeconds / FASTEST_SECONDS)];
    }

    /** Runs at least so often <b>and</b> so long without measuring; returns how often. */
    int warmUp(Task task, int runs, double seconds) throws EngineException {
        long begin = clock.nanos();
        long least = (long) (seconds * NANOS);
        int done = 0;
        while (done < runs || clock.nanos() - begin < least) {
            task.run();
            done++;
        }
        return done;
    }

    /** Measures at least so many runs <b>and</b> so long. */
    void measure(Task task, int runs, double seconds) throws EngineException {
        long least = (long) (seconds * NANOS);
        count = 0;
        long begin = clock.nanos();
        long stop;
        do {
            long start = clock.nanos();
            task.run();
            stop = clock.nanos();
            nanos[count++] = stop - start;
        } while ((count < runs || stop - begin < least) && count < nanos.length);
    }

    /** Returns the microseconds of each run that was measured last. */
    float[] microseconds() {
        float[] found = new float[count];
        for (int i = 0; i < count; i++) {
            found[i] = (float) (nanos[i] / 1e3);
        }
        return found;
    }

    /** Returns the median of some runs in microseconds. */
    double median(Task task, int runs) throws EngineException {
        measure(task, runs, 0);
        double[] found = new double[count];
        for (int i = 0; i < count; i++) {
            found[i] = nanos[i] / 1e3;
        }
        return Statistics.percentile(found, 50);
    }

    /** Returns what the measuring itself adds to each run, in microseconds: its time around a call that does nothing. */
    double harness() throws EngineException {
        return median(new Task() {
            @Override
            public void run() {}
        }, HARNESS_RUNS);
    }
}
