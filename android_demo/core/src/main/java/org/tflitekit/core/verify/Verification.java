package org.tflitekit.core.verify;

import java.util.List;
import java.util.Locale;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/** The result of replaying a bundle's golden samples. */
public final class Verification {
    public final String bundle;
    public final String runtimeVersion;
    /** One a golden sample; empty where the model takes no images; not modifiable. */
    public final List<ImageCheck> images;
    /** One a variant and accelerator; not modifiable. */
    public final List<RunCheck> runs;
    /** Whether it was stopped before its end. */
    public final boolean cancelled;

    Verification(String bundle, String runtimeVersion, List<ImageCheck> images, List<RunCheck> runs,
            boolean cancelled) {
        this.bundle = bundle;
        this.runtimeVersion = runtimeVersion;
        this.images = images;
        this.runs = runs;
        this.cancelled = cancelled;
    }

    /** Returns whether all was run, something was judged, and nothing failed. */
    public boolean passed() {
        return !cancelled && count(Verdict.FAILED) + count(Verdict.ERROR) == 0 && count(Verdict.PASSED) > 0
                && imagesThat(Verdict.PASSED) == images.size();
    }

    /** Returns one sentence for people. */
    public String summary() {
        StringBuilder text = new StringBuilder();
        if (cancelled) {
            text.append("Stopped before its end. ");
        }
        if (!images.isEmpty()) {
            text.append("Images as on the host: ").append(imagesThat(Verdict.PASSED)).append(" of ")
                    .append(images.size()).append(". ");
        }
        text.append("Runs as on the host: ").append(count(Verdict.PASSED)).append(" of ").append(runs.size());
        add(text, count(Verdict.FAILED), " failed");
        add(text, count(Verdict.ERROR), " could not be run");
        add(text, count(Verdict.NOT_JUDGED), " not judged");
        return text.append('.').toString();
    }

    private static void add(StringBuilder text, int count, String what) {
        if (count > 0) {
            text.append(", ").append(count).append(what);
        }
    }

    private int count(Verdict verdict) {
        int count = 0;
        for (RunCheck run : runs) {
            count += run.verdict == verdict ? 1 : 0;
        }
        return count;
    }

    private int imagesThat(Verdict verdict) {
        int count = 0;
        for (ImageCheck image : images) {
            count += image.verdict == verdict ? 1 : 0;
        }
        return count;
    }

    /** Returns everything as JSON; differences that are no finite number are null. */
    public JSONObject toJson() throws JSONException {
        JSONArray imageChecks = new JSONArray();
        for (ImageCheck image : images) {
            imageChecks.put(json(image));
        }
        JSONArray runChecks = new JSONArray();
        for (RunCheck run : runs) {
            runChecks.put(json(run));
        }
        return new JSONObject()
                .put("schema_version", 1)
                .put("bundle", bundle)
                .put("runtime_version", runtimeVersion)
                .put("passed", passed())
                .put("cancelled", cancelled)
                .put("summary", summary())
                .put("images", imageChecks)
                .put("runs", runChecks);
    }

    private static JSONObject json(ImageCheck check) throws JSONException {
        return new JSONObject()
                .put("sample", check.sample)
                .put("verdict", word(check.verdict))
                .put("pixel_difference", check.pixelDifference < 0 ? JSONObject.NULL : check.pixelDifference)
                .put("decode_difference", check.decodeDifference < 0 ? JSONObject.NULL : check.decodeDifference)
                .put("mean_decode_difference",
                        check.decodeDifference < 0 ? JSONObject.NULL : finite(check.meanDecodeDifference))
                .put("message", orNull(check.message));
    }

    private static JSONObject json(RunCheck check) throws JSONException {
        JSONArray samples = new JSONArray();
        for (SampleCheck sample : check.samples) {
            samples.put(json(sample));
        }
        JSONObject tolerance = check.worst == null ? null : new JSONObject()
                .put("max_difference", finite(check.worst.tolerance.maxDifference))
                .put("unit", check.worst.tolerance.unit)
                .put("reason", check.worst.tolerance.reason);
        return new JSONObject()
                .put("variant", check.variant)
                .put("sha256", check.sha256)
                .put("requested_accelerator", check.requestedAccelerator)
                .put("actual_accelerator", orNull(check.actualAccelerator))
                .put("acceleration_detail", orNull(check.accelerationDetail))
                .put("threads", check.threads)
                .put("verdict", word(check.verdict))
                .put("output", orNull(check.worst == null ? null : check.worst.output.name))
                .put("tolerance", orNull(tolerance))
                .put("output_difference", difference(check.worst))
                .put("message", orNull(check.message))
                .put("samples", samples);
    }

    private static JSONObject json(SampleCheck check) throws JSONException {
        return new JSONObject()
                .put("sample", check.sample)
                .put("verdict", word(check.verdict))
                .put("input_equal", check.inputEqual)
                .put("output", orNull(check.worst == null ? null : check.worst.output.name))
                .put("output_difference", difference(check.worst))
                .put("same_top_1", check.sameTop1)
                .put("not_a_number", check.notANumber)
                .put("message", orNull(check.message));
    }

    private static Object difference(OutputCheck worst) {
        return worst == null ? JSONObject.NULL : finite(worst.difference);
    }

    private static String word(Verdict verdict) {
        return verdict.name().toLowerCase(Locale.ROOT);
    }

    private static Object finite(double value) {
        return Double.isNaN(value) || Double.isInfinite(value) ? JSONObject.NULL : (Object) value;
    }

    private static Object orNull(Object value) {
        return value == null ? JSONObject.NULL : value;
    }
}
