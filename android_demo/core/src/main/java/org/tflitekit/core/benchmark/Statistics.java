package org.tflitekit.core.benchmark;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * Percentiles and bootstrap intervals, by the methods of tflitekit/core/statistics.py; sources are named there. Random draws
 * differ, since NumPy's generator is another one.
 */
final class Statistics {
    private static final int MOST_SAMPLES = 4000;
    private static final double CONFIDENCE = 0.95;

    private Statistics() {}

    /** Returns the q-th percentile (0 to 100) with linear interpolation; the values need not be sorted. */
    static double percentile(double[] values, double q) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sortedPercentile(sorted, q);
    }

    static double sortedPercentile(double[] sorted, double q) {
        double place = q / 100 * (sorted.length - 1);
        int below = (int) Math.floor(place);
        int above = Math.min(below + 1, sorted.length - 1);
        return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
    }

    /**
     * Draws how often each round counts in each bootstrap sample: loads are drawn with replacement, then rounds within each
     * drawn load.
     *
     * @param loads for each round, the load of the model that measured it
     * @return one row for each sample, one column for each round
     */
    static int[][] weights(int[] loads, int count, Random random) {
        Map<Integer, int[]> members = new LinkedHashMap<Integer, int[]>();
        for (int load : loads) {
            if (!members.containsKey(load)) {
                members.put(load, positions(loads, load));
            }
        }
        int[][] groups = members.values().toArray(new int[0][]);
        int[][] weights = new int[count][loads.length];
        for (int[] row : weights) {
            for (int draw = 0; draw < groups.length; draw++) {
                int[] rounds = groups[random.nextInt(groups.length)];
                for (int i = 0; i < rounds.length; i++) {
                    row[rounds[random.nextInt(rounds.length)]]++;
                }
            }
        }
        return weights;
    }

    private static int[] positions(int[] values, int wanted) {
        int[] found = new int[values.length];
        int count = 0;
        for (int i = 0; i < values.length; i++) {
            if (values[i] == wanted) {
                found[count++] = i;
            }
        }
        return Arrays.copyOf(found, count);
    }

    /**
     * Returns the q-th percentile (0 to 100) of all samples in each bootstrap sample.
     *
     * @param rounds samples of each round; long rounds are thinned evenly, to about 4,000 samples in all
     */
    static double[] quantiles(List<float[]> rounds, int[][] weights, double q) {
        int total = 0;
        for (float[] round : rounds) {
            total += round.length;
        }
        int stride = Math.max(1, total / MOST_SAMPLES);
        // Sorted by value, with the round in the lower half: times are not negative, so bits sort as values do.
        long[] samples = new long[total];
        int count = 0;
        for (int round = 0; round < rounds.size(); round++) {
            float[] values = rounds.get(round);
            for (int i = 0; i < values.length; i += stride) {
                samples[count++] = (long) Float.floatToIntBits(values[i]) << 32 | round;
            }
        }
        Arrays.sort(samples, 0, count);
        int[] sizes = new int[rounds.size()];
        for (int i = 0; i < count; i++) {
            sizes[(int) samples[i]]++;
        }
        double[] found = new double[weights.length];
        for (int draw = 0; draw < weights.length; draw++) {
            int[] row = weights[draw];
            long whole = 0;
            for (int round = 0; round < sizes.length; round++) {
                whole += (long) row[round] * sizes[round];
            }
            double wanted = Math.max(1, Math.ceil(whole * q / 100));
            long reached = 0;
            for (int i = 0; i < count; i++) {
                reached += row[(int) samples[i]];
                if (reached >= wanted) {
                    found[draw] = Float.intBitsToFloat((int) (samples[i] >>> 32));
                    break;
                }
            }
        }
        return found;
    }

    /**
     * Returns low and high end of the expanded 95 % percentile interval of a figure in all bootstrap samples.
     *
     * @param loads for each round, the load that measured it; loads are the clusters, rounds where there is one load
     */
    static double[] interval(double[] values, int[] loads) {
        int distinct = distinct(loads);
        double tail = tail(distinct > 1 ? distinct : loads.length) * 100;
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return new double[] {sortedPercentile(sorted, tail), sortedPercentile(sorted, 100 - tail)};
    }

    private static int distinct(int[] values) {
        int[] sorted = values.clone();
        Arrays.sort(sorted);
        int count = 0;
        for (int i = 0; i < sorted.length; i++) {
            count += i == 0 || sorted[i] != sorted[i - 1] ? 1 : 0;
        }
        return count;
    }

    /** Returns the share of bootstrap samples beyond each end of the interval: less than 2.5 % with few clusters. */
    static double tail(int clusters) {
        if (clusters < 2) {
            return 0;
        }
        return normalTail(Math.sqrt(clusters / (clusters - 1.0)) * studentQuantile(clusters - 1));
    }

    /** Returns the t within which {@code -t} to {@code t} hold 95 % of Student's distribution. */
    private static double studentQuantile(int freedom) {
        double low = 1.9;
        double high = 13;
        while (high - low > 1e-12) {
            double middle = (low + high) / 2;
            if (studentCentral(middle, freedom) < CONFIDENCE) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return (low + high) / 2;
    }

    /** Returns the probability within {@code -t} to {@code t}: Abramowitz and Stegun, 26.7.3 and 26.7.4. */
    private static double studentCentral(double t, int freedom) {
        double angle = Math.atan(t / Math.sqrt(freedom));
        double cosine = Math.cos(angle);
        boolean odd = freedom % 2 == 1;
        double term = odd ? cosine : 1;
        double sum = 0;
        for (int power = odd ? 1 : 0; power <= freedom - 2; power += 2) {
            sum += term;
            term *= cosine * cosine * (power + 1) / (power + 2);
        }
        return odd ? 2 / Math.PI * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
    }

    /** Returns the probability of a normal variable beyond x, for x of at least 1.9, by Laplace's continued fraction. */
    private static double normalTail(double x) {
        double fraction = x;
        for (int i = 200; i > 0; i--) {
            fraction = x + i / fraction;
        }
        return Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI) / fraction;
    }
}
