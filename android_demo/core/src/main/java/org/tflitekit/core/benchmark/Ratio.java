package org.tflitekit.core.benchmark;

import org.json.JSONException;
import org.json.JSONObject;

/** Time relative to the baseline's in the same rounds, with its 95 % interval: below 1 is faster. */
public final class Ratio {
    /** Ratios within this share of 1 are ties: the luck of memory layout alone moves times by as much. */
    static final double SAME_TIME = 0.01;

    public final String baseline;
    public final double value;
    public final double low;
    public final double high;
    /** "faster", "slower", or "tie" where the interval does not lie beyond 1 % of 1. */
    public final String verdict;

    Ratio(String baseline, double value, double low, double high) {
        this.baseline = baseline;
        this.value = value;
        this.low = low;
        this.high = high;
        verdict = high < 1 - SAME_TIME ? "faster" : low > 1 + SAME_TIME ? "slower" : "tie";
    }

    JSONObject toJson() throws JSONException {
        return new JSONObject().put("baseline", baseline).put("value", value).put("low", low).put("high", high)
                .put("verdict", verdict);
    }
}
