package org.tflitekit.core.benchmark;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;
import org.tflitekit.core.inference.EngineException;

/**
 * A model that runs for minutes without a break: its latency, the device's heat and the battery's meters over time. Windows are
 * those of the host (tflitekit/latency/benchmarking.py); before them the device idles, so that its own power can be subtracted.
 */
final class SustainedLoad {
    /** States that are kept, evenly over the time. */
    static final int STEPS = 120;
    /** Without two steps there is no change, and no power; a device that stalls takes fewer in the time that it was given. */
    private static final int FEWEST_STEPS = 2;
    private static final double LONGEST_WINDOW_SECONDS = 1;
    private static final double IDLE_SHARE = 0.1;
    private static final double LONGEST_IDLE_SECONDS = 60;
    private static final double IDLE_STEP_SECONDS = 1;

    /** Follows it. */
    interface Listener {
        void step(int done);
    }

    private final double minutes;
    private final List<Double> seconds = new ArrayList<Double>();
    private final List<Double> medianMs = new ArrayList<Double>();
    private final JSONArray idle = new JSONArray();
    private final JSONArray states = new JSONArray();

    private SustainedLoad(double minutes) {
        this.minutes = minutes;
    }

    /** Lets the device idle, then runs for so many minutes on the caller's thread; the model has been warmed up. */
    static SustainedLoad run(double minutes, Stopwatch stopwatch, Stopwatch.Task inference, Clock clock, DeviceProbe device,
            Listener listener) throws EngineException, JSONException {
        SustainedLoad load = new SustainedLoad(minutes);
        double length = minutes * 60;
        double pause = Math.min(LONGEST_IDLE_SECONDS, length * IDLE_SHARE);
        int pauses = (int) Math.max(FEWEST_STEPS, Math.ceil(pause / IDLE_STEP_SECONDS));
        long begin = clock.nanos();
        load.idle.put(state(0, 0, device));
        for (int i = 0; i < pauses; i++) {
            clock.sleep(pause / pauses);
            load.idle.put(state((clock.nanos() - begin) / 1e9, 0, device));
        }
        long runs = 0;
        int step = 0;
        begin = clock.nanos();
        load.states.put(state(0, 0, device));
        for (double now = 0; now < length || load.states.length() <= FEWEST_STEPS; now = (clock.nanos() - begin) / 1e9) {
            stopwatch.measure(inference, 1, Math.min(LONGEST_WINDOW_SECONDS, length / STEPS));
            float[] times = stopwatch.microseconds();
            runs += times.length;
            double end = (clock.nanos() - begin) / 1e9;
            load.seconds.add((now + end) / 2);
            load.medianMs.add(median(times) / 1e3);
            if (end >= length * (step + 1) / STEPS) {
                step = (int) Math.min(STEPS, end / length * STEPS);
                load.states.put(state(end, runs, device));
                listener.step(step);
            }
        }
        return load;
    }

    private static JSONObject state(double seconds, long runs, DeviceProbe device) throws JSONException {
        return new JSONObject()
                .put("time_s", Json.rounded(seconds))
                .put("runs", runs)
                .put("device", device.state().toJson())
                .put("battery", device.battery().toJson());
    }

    private static double median(float[] times) {
        double[] values = new double[times.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = times[i];
        }
        return Statistics.percentile(values, 50);
    }

    JSONObject toJson() throws JSONException {
        int tenth = Math.max(1, medianMs.size() / 10);
        double start = middle(medianMs.subList(0, tenth));
        double end = middle(medianMs.subList(medianMs.size() - tenth, medianMs.size()));
        JSONArray times = new JSONArray();
        JSONArray medians = new JSONArray();
        for (int i = 0; i < seconds.size(); i++) {
            times.put(Json.rounded(seconds.get(i)));
            medians.put(Json.rounded(medianMs.get(i)));
        }
        return new JSONObject()
                .put("target", JSONObject.NULL)
                .put("minutes", minutes)
                .put("times_s", times)
                .put("median_ms", medians)
                .put("start_ms", start)
                .put("end_ms", end)
                .put("change", end / start)
                .put("idle", idle)
                .put("states", states)
                .put("energy", JSONObject.NULL); // the kit derives it
    }

    private static double middle(List<Double> values) {
        double[] found = new double[values.size()];
        for (int i = 0; i < found.length; i++) {
            found[i] = values.get(i);
        }
        Arrays.sort(found);
        return Statistics.sortedPercentile(found, 50);
    }
}
