package org.tflitekit.core.benchmark;

import java.util.ArrayList;
import java.util.List;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.Variant;

/** What a person or an intent asks to measure, in words; a {@link BenchmarkPlan} once the bundle is there. */
public final class BenchmarkRequest {
    /** Names; null for all. */
    public List<String> variants;
    public String accelerator = "cpu";
    public int threads = 1;
    public String protocol = Protocol.QUICK.name;
    /** At least so many measured runs of each variant instead of as many as the protocol takes; 0: as many. */
    public int runs;
    public long seed = BenchmarkPlan.DEFAULT_SEED;
    /** Minutes of load for each variant, after the rounds; 0: none. */
    public double sustainedMinutes;

    /**
     * Returns the plan.
     *
     * @throws BundleException the bundle has no such variant
     * @throws IllegalArgumentException there is no such protocol, or a number cannot be
     */
    public BenchmarkPlan plan(Bundle bundle) throws BundleException {
        List<Variant> chosen = new ArrayList<Variant>();
        if (variants == null) {
            chosen.addAll(bundle.variants);
        } else {
            for (String name : variants) {
                chosen.add(bundle.variant(name));
            }
        }
        Protocol rules = Protocol.named(protocol);
        return new BenchmarkPlan(bundle, chosen, accelerator, threads, runs > 0 ? rules.withRuns(runs) : rules, seed,
                sustainedMinutes);
    }
}
