package org.tflitekit.core.benchmark;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/**
 * How long to warm up, how much to measure, when to stop; the median decides. These are the host's protocols of the same
 * names (tflitekit/targets/protocols.py), so the numbers must be the same; a test compares them.
 */
public final class Protocol {
    /** Until the interval of every median is narrower than 2 %, at most 10 s per file. */
    public static final Protocol QUICK = new Protocol("quick",
            "until the interval of every median is narrower than 2 %, at most 10 s per file",
            3, 0.02, 1, 7, 0.02, 15, 3, 0.02, 10);
    /** What TensorFlow Lite's benchmark_model does. */
    public static final Protocol BENCHMARK_MODEL = new Protocol("benchmark-model",
            "TensorFlow Lite's own: at least 50 runs and 1 s after 0.5 s of warm-up",
            1, 0.5, 1, 5, 0.1, 10, 0, Double.NaN, 150);

    private static final double DAY_SECONDS = 86400;

    public final String name;
    public final String summary;
    /** At least this many runs <b>and</b> {@link #warmupSeconds} before a freshly loaded model is measured. */
    public final int warmupRuns;
    public final double warmupSeconds;
    /** Unmeasured runs at the start of each further round, because others ran in between. */
    public final int rewarmRuns;
    /** At least this many runs <b>and</b> {@link #roundSeconds} in a round. */
    public final int roundRuns;
    public final double roundSeconds;
    /** How many are taken; at least, where there is a precision. */
    public final int rounds;
    /** After so many rounds every model is loaded anew, so that the luck of memory layout is in the interval; 0: never. */
    public final int roundsPerLoad;
    /** Width of the 95 % interval of the median over the median; NaN: take {@link #rounds}. */
    public final double precision;
    /** Seconds a file, warm-up and all, after which no further round starts. */
    public final double budgetSeconds;

    Protocol(String name, String summary, int warmupRuns, double warmupSeconds, int rewarmRuns, int roundRuns,
            double roundSeconds, int rounds, int roundsPerLoad, double precision, double budgetSeconds) {
        this.name = name;
        this.summary = summary;
        this.warmupRuns = warmupRuns;
        this.warmupSeconds = warmupSeconds;
        this.rewarmRuns = rewarmRuns;
        this.roundRuns = roundRuns;
        this.roundSeconds = roundSeconds;
        this.rounds = rounds;
        this.roundsPerLoad = roundsPerLoad;
        this.precision = precision;
        this.budgetSeconds = budgetSeconds;
    }

    /** Returns all protocols. */
    public static List<Protocol> all() {
        return Collections.unmodifiableList(Arrays.asList(QUICK, BENCHMARK_MODEL));
    }

    /**
     * Returns a protocol by name.
     *
     * @throws IllegalArgumentException there is none of that name
     */
    public static Protocol named(String name) {
        for (Protocol protocol : all()) {
            if (protocol.name.equals(name)) {
                return protocol;
            }
        }
        throw new IllegalArgumentException("There is no benchmark protocol '" + name
                + "'. Protocols: quick, benchmark-model.");
    }

    /** Returns these rules with at least so many measured runs of each variant, as the host's option --runs has them. */
    Protocol withRuns(int runs) {
        int each = (runs + rounds - 1) / rounds;
        return new Protocol(name + ", " + runs + " runs", summary, warmupRuns, warmupSeconds, rewarmRuns, each,
                roundSeconds, rounds, roundsPerLoad, Double.NaN, DAY_SECONDS);
    }

    boolean stopsWhenPrecise() {
        return !Double.isNaN(precision);
    }
}
