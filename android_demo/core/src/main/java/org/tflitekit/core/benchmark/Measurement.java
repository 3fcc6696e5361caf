package org.tflitekit.core.benchmark;

import java.util.Arrays;
import java.util.Random;
import org.tflitekit.core.bundle.Variant;

/** What was measured of one variant. Figures are of the steady state; those that were not measured are NaN or null. */
public final class Measurement {
    private static final int DRAWS = 1000;

    public final Variant variant;
    /** Why it was not measured, for people; null where it was. */
    public final String error;
    public final double medianMs;
    /** 95 % interval of the median; NaN with fewer than two rounds. */
    public final double medianLowMs;
    public final double medianHighMs;
    public final double p90Ms;
    public final double p99Ms;
    public final double meanMs;
    public final double minMs;
    /** To load the file, its hash checked, up to allocated tensors. */
    public final double initMs;
    /** The first run after loading. */
    public final double firstMs;
    /** To store the inputs, and to fetch the outputs, as real values; not part of the other figures. */
    public final double inputUs;
    public final double outputUs;
    /** What measuring adds to each run. */
    public final double harnessUs;
    public final int runs;
    public final int rounds;
    public final int warmupRuns;
    /** Null where the variant could not be loaded. */
    public final String requestedAccelerator;
    public final String actualAccelerator;
    public final String accelerationDetail;
    /** Against the bundle's baseline; null for the baseline, and where it was not measured. */
    public final Ratio ratio;
    final Samples samples;

    Measurement(Variant variant, Samples samples, String baseline, Samples baselineSamples) {
        this.variant = variant;
        this.samples = samples;
        error = samples.error;
        boolean known = error == null && samples.runs() > 0;
        double[] sorted = known ? samples.pooled() : new double[] {Double.NaN};
        Arrays.sort(sorted);
        medianMs = Statistics.sortedPercentile(sorted, 50) / 1e3;
        p90Ms = Statistics.sortedPercentile(sorted, 90) / 1e3;
        p99Ms = Statistics.sortedPercentile(sorted, 99) / 1e3;
        double sum = 0;
        for (double value : sorted) {
            sum += value;
        }
        meanMs = sum / sorted.length / 1e3;
        minMs = sorted[0] / 1e3;
        initMs = Samples.median(samples.initMicros) / 1e3;
        firstMs = Samples.median(samples.firstMicros) / 1e3;
        harnessUs = Samples.median(samples.harnessMicros);
        inputUs = samples.inputMicros;
        outputUs = samples.outputMicros;
        runs = samples.runs();
        rounds = samples.rounds.size();
        warmupRuns = samples.warmupRuns;
        requestedAccelerator = samples.requestedAccelerator;
        actualAccelerator = samples.actualAccelerator;
        accelerationDetail = samples.accelerationDetail;
        double[] interval = {Double.NaN, Double.NaN};
        Ratio against = null;
        if (known && rounds > 1) {
            int[] loads = samples.loadOfRounds();
            int[][] weights = Statistics.weights(loads, DRAWS, new Random(0));
            double[] medians = Statistics.quantiles(samples.rounds, weights, 50);
            interval = Statistics.interval(medians, loads);
            against = against(baseline, baselineSamples, weights, medians, loads);
        }
        medianLowMs = interval[0] / 1e3;
        medianHighMs = interval[1] / 1e3;
        ratio = against;
    }

    /** The same weights for both files pair them by round. */
    private Ratio against(String baseline, Samples other, int[][] weights, double[] medians, int[] loads) {
        if (other == null || other.error != null || variant.name.equals(baseline)) {
            return null;
        }
        if (other == samples) {
            return new Ratio(baseline, 1, 1, 1);
        }
        if (other.rounds.size() != rounds) {
            return null;
        }
        double[] others = Statistics.quantiles(other.rounds, weights, 50);
        double[] ratios = new double[medians.length];
        for (int i = 0; i < ratios.length; i++) {
            ratios[i] = medians[i] / others[i];
        }
        double[] bounds = Statistics.interval(ratios, loads);
        double value = medianMs * 1e3 / Statistics.percentile(other.pooled(), 50);
        return new Ratio(baseline, value, bounds[0], bounds[1]);
    }
}
