package org.tflitekit.core.benchmark;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.Variant;

/** What to measure and how: one accelerator and one number of threads. */
public final class BenchmarkPlan {
    /** The seed that the host's benchmarks have by default. */
    public static final long DEFAULT_SEED = 20210;

    public final Bundle bundle;
    /** Not modifiable. */
    public final List<Variant> variants;
    /** "cpu", "cpu_builtin", "gpu" or "nnapi". */
    public final String accelerator;
    public final int threads;
    public final Protocol protocol;
    /** Of the order of the variants in each round. */
    public final long seed;
    /** Of load for each variant, after the rounds; 0: none. */
    public final double sustainedMinutes;

    public BenchmarkPlan(Bundle bundle, List<Variant> variants, String accelerator, int threads, Protocol protocol,
            long seed) {
        this(bundle, variants, accelerator, threads, protocol, seed, 0);
    }

    /**
     * @param variants of the bundle, at least one
     * @throws IllegalArgumentException there is no variant, fewer than one thread, or less than no time
     */
    BenchmarkPlan(Bundle bundle, List<Variant> variants, String accelerator, int threads, Protocol protocol,
            long seed, double sustainedMinutes) {
        if (variants.isEmpty()) {
            throw new IllegalArgumentException("There is nothing to measure. Choose at least one variant.");
        }
        if (threads < 1) {
            throw new IllegalArgumentException("The number of threads must be at least 1, not " + threads + ".");
        }
        if (!(sustainedMinutes >= 0)) {
            throw new IllegalArgumentException("The minutes of load must not be negative: " + sustainedMinutes + ".");
        }
        this.bundle = bundle;
        this.variants = Collections.unmodifiableList(new ArrayList<Variant>(variants));
        this.accelerator = accelerator;
        this.threads = threads;
        this.protocol = protocol;
        this.seed = seed;
        this.sustainedMinutes = sustainedMinutes;
    }
}
