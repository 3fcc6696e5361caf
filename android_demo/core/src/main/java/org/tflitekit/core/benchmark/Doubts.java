package org.tflitekit.core.benchmark;

import java.util.ArrayList;
import java.util.List;

/** What casts doubt on a benchmark: the device was hot, saved power or ran the model elsewhere. */
final class Doubts {
    /** Slower by this factor in the last third of the rounds than in the first is throttling, whatever the device says. */
    private static final double SLOWED = 1.1;

    private Doubts() {}

    static List<Finding> about(List<Measurement> measurements, DeviceState before, DeviceState after,
            int worstThermalStatus, String stoppedBy, Protocol protocol) {
        List<Finding> found = new ArrayList<Finding>();
        addThrottling(found, measurements, worstThermalStatus);
        if (Boolean.TRUE.equals(before.powerSave) || Boolean.TRUE.equals(after.powerSave)) {
            found.add(new Finding("power-save", "The device was saving power while it measured, which slows it down.",
                    "Switch battery saver off and measure again."));
        }
        for (Measurement one : measurements) {
            if (one.error == null && !one.actualAccelerator.equals(one.requestedAccelerator)) {
                found.add(new Finding("other-accelerator", one.variant.name + " was asked to run on "
                        + one.requestedAccelerator + ", but " + one.actualAccelerator + " ran it.",
                        "Its latency is that of " + one.actualAccelerator + "."));
            }
        }
        for (Measurement one : measurements) {
            if (one.samples.sustainedError != null) {
                found.add(new Finding("sustained-failed", one.variant.name + " failed under load over minutes: "
                        + one.samples.sustainedError, null));
            }
        }
        if ("budget".equals(stoppedBy)) {
            found.add(new Finding("budget-spent", "The protocol " + protocol.name
                    + " ran out of time: the figures are less certain than it asks for.",
                    "Measure fewer variants at once, or with the protocol benchmark-model."));
        }
        return found;
    }

    private static void addThrottling(List<Finding> found, List<Measurement> measurements, int worstThermalStatus) {
        double change = change(measurements);
        String seen = null;
        if (worstThermalStatus > 0) {
            seen = "The device was throttled: its thermal status reached '"
                    + DeviceState.thermalName(worstThermalStatus) + "'.";
        } else if (change > SLOWED) {
            seen = "The device slowed down by " + Math.round((change - 1) * 100) + " % while it measured.";
        }
        if (seen != null) {
            found.add(new Finding("throttled", seen, "Let it cool down and measure again. Variants were measured in"
                    + " turns, so their ratios suffer less than their times."));
        }
    }

    /** Returns the geometric mean over variants of the median in the last third of the rounds over that in the first. */
    private static double change(List<Measurement> measurements) {
        double sum = 0;
        int count = 0;
        for (Measurement one : measurements) {
            int third = one.rounds / 3;
            if (one.error == null && third > 0) {
                List<float[]> rounds = one.samples.rounds;
                sum += Math.log(median(rounds, one.rounds - third, one.rounds) / median(rounds, 0, third));
                count++;
            }
        }
        return count > 0 ? Math.exp(sum / count) : 1;
    }

    private static double median(List<float[]> rounds, int from, int to) {
        int count = 0;
        for (float[] round : rounds.subList(from, to)) {
            count += round.length;
        }
        double[] values = new double[count];
        int next = 0;
        for (float[] round : rounds.subList(from, to)) {
            for (float value : round) {
                values[next++] = value;
            }
        }
        return Statistics.percentile(values, 50);
    }
}
