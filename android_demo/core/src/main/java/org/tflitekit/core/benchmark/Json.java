package org.tflitekit.core.benchmark;

import org.json.JSONObject;

/** JSON values of what may be missing. */
final class Json {
    private Json() {}

    static Object orNull(Object value) {
        return value == null ? JSONObject.NULL : value;
    }

    /** Returns null for what JSON has no number for. */
    static Object number(double value) {
        return Double.isNaN(value) || Double.isInfinite(value) ? JSONObject.NULL : (Object) value;
    }

    /** Returns a number with six digits behind the point. */
    static double rounded(double value) {
        return Math.rint(value * 1e6) / 1e6;
    }
}
