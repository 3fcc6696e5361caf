package org.tflitekit.core.benchmark;

import org.json.JSONException;
import org.json.JSONObject;

/** One warning: what was seen, and what to do about it. */
public final class Finding {
    /** A stable name, for programs. */
    public final String kind;
    public final String message;
    /** Null where nothing can be done. */
    public final String advice;

    Finding(String kind, String message, String advice) {
        this.kind = kind;
        this.message = message;
        this.advice = advice;
    }

    JSONObject toJson() throws JSONException {
        return new JSONObject().put("kind", kind).put("message", message).put("advice", Json.orNull(advice));
    }
}
