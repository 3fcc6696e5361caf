package org.tflitekit.core.benchmark;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;

import java.util.Arrays;
import java.util.Random;
import org.junit.Test;

/** Against the definitions; the Python test compares with the host's implementation. */
public class StatisticsTest {
    @Test
    public void percentilesAreInterpolated() {
        double[] values = {4, 1, 3, 2};
        assertEquals(2.5, Statistics.percentile(values, 50), 0);
        assertEquals(3.7, Statistics.percentile(values, 90), 1e-12);
        assertEquals(1, Statistics.percentile(values, 0), 0);
        assertEquals(4, Statistics.percentile(values, 100), 0);
        assertArrayEquals(new double[] {4, 1, 3, 2}, values, 0);
    }

    @Test
    public void weightsDrawWholeLoads() {
        int[] loads = {0, 0, 0, 3, 3, 3, 6, 6};
        for (int[] row : Statistics.weights(loads, 200, new Random(1))) {
            assertEquals(0, (row[0] + row[1] + row[2]) % 3);
            assertEquals(0, (row[3] + row[4] + row[5]) % 3);
            assertEquals(0, (row[6] + row[7]) % 2);
            assertEquals(3, (row[0] + row[1] + row[2]) / 3 + (row[3] + row[4] + row[5]) / 3 + (row[6] + row[7]) / 2);
        }
    }

    @Test
    public void quantilesCountRoundsAsOftenAsTheyWereDrawn() {
        float[][] rounds = {{1, 2, 3}, {10, 20, 30}};
        int[][] weights = {{1, 0}, {0, 1}, {1, 1}, {3, 1}};
        assertArrayEquals(new double[] {2, 20, 3, 2}, Statistics.quantiles(Arrays.asList(rounds), weights, 50), 0);
    }

    @Test
    public void fewLoadsMakeTheIntervalWider() {
        double[] values = new double[1001];
        for (int i = 0; i < values.length; i++) {
            values[i] = i;
        }
        assertEquals(0, Statistics.tail(1), 0);
        assertArrayEquals(new double[] {0, 1000}, Statistics.interval(values, new int[] {5}), 0);
        double[] many = new double[] {25, 975};
        int[] loads = new int[3000];
        for (int i = 0; i < loads.length; i++) {
            loads[i] = i;
        }
        assertArrayEquals(many, Statistics.interval(values, loads), 0.1);
    }

    @Test
    public void base64IsThatOfTheStandard() {
        Random random = new Random(1);
        for (int length = 0; length < 70; length++) {
            byte[] bytes = new byte[length];
            random.nextBytes(bytes);
            assertEquals(java.util.Base64.getEncoder().encodeToString(bytes), Base64.encode(bytes));
        }
    }
}
