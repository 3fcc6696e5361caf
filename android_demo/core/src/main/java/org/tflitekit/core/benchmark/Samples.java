package org.tflitekit.core.benchmark;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;
import org.tflitekit.core.bundle.Variant;

/** What was measured of one file so far. */
final class Samples {
    /** How many samples a report keeps at most. */
    static final int MOST_KEPT = 20000;

    final Variant variant;
    final List<float[]> rounds = new ArrayList<float[]>();
    final List<Integer> loads = new ArrayList<Integer>();
    final List<Double> initMicros = new ArrayList<Double>();
    final List<Double> firstMicros = new ArrayList<Double>();
    final List<Double> harnessMicros = new ArrayList<Double>();
    int warmupRuns;
    double inputMicros = Double.NaN;
    double outputMicros = Double.NaN;
    String requestedAccelerator;
    String actualAccelerator;
    String accelerationDetail;
    String runtimeVersion;
    /** Why it cannot be measured; null while it can. */
    String error;
    /** Null where it was not asked for, or failed. */
    SustainedLoad sustained;
    String sustainedError;

    Samples(Variant variant) {
        this.variant = variant;
    }

    int[] loadOfRounds() {
        int[] found = new int[loads.size()];
        for (int i = 0; i < found.length; i++) {
            found[i] = loads.get(i);
        }
        return found;
    }

    int runs() {
        int runs = 0;
        for (float[] round : rounds) {
            runs += round.length;
        }
        return runs;
    }

    double[] pooled() {
        double[] all = new double[runs()];
        int count = 0;
        for (float[] round : rounds) {
            for (float value : round) {
                all[count++] = value;
            }
        }
        return all;
    }

    static double median(List<Double> values) {
        double[] found = new double[values.size()];
        for (int i = 0; i < found.length; i++) {
            found[i] = values.get(i);
        }
        return found.length == 0 ? Double.NaN : Statistics.percentile(found, 50);
    }

    /** Returns the samples packed as reports have them: base64 of little-endian float32 microseconds. */
    JSONObject toJson() throws JSONException {
        int stride = Math.max(1, (runs() + MOST_KEPT - 1) / MOST_KEPT);
        JSONArray sizes = new JSONArray();
        JSONArray processes = new JSONArray();
        ByteBuffer data = ByteBuffer.allocate(4 * (runs() + rounds.size())).order(ByteOrder.LITTLE_ENDIAN);
        for (int round = 0; round < rounds.size(); round++) {
            float[] values = rounds.get(round);
            int kept = 0;
            for (int i = 0; i < values.length; i += stride, kept++) {
                data.putFloat(values[i]);
            }
            sizes.put(kept);
            processes.put(loads.get(round));
        }
        byte[] bytes = new byte[data.position()];
        data.flip();
        data.get(bytes);
        return new JSONObject().put("data", Base64.encode(bytes)).put("round_sizes", sizes)
                .put("processes", processes).put("kept_every", stride);
    }
}
