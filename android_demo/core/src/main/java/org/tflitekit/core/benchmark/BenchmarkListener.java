package org.tflitekit.core.benchmark;

/** Follows a benchmark. Called on the thread that runs it, never while something is timed. */
public interface BenchmarkListener {
    /**
     * A variant is about to be loaded or measured.
     *
     * @param finishedRounds how many rounds all variants have had
     * @param plannedRounds how many there will be; more follow where a protocol goes on until figures are precise
     */
    void progress(int finishedRounds, int plannedRounds, String variant);

    /**
     * A variant is under load for minutes; after the rounds.
     *
     * @param done steps of {@code planned}, which are of equal length
     */
    void underLoad(int done, int planned, String variant);

    /** Returns whether to go on. */
    boolean proceed();
}
