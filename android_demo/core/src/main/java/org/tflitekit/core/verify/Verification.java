package org.tflitekit.core.verify;

import java.util.List;
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

    /** Returns whether something was judged and nothing failed. */
    public boolean passed() {
        return false;
    }

    /** Returns one sentence for people. */
    public String summary() {
        return "";
    }

    /** Returns everything as JSON; differences that are no finite number are null. */
    public JSONObject toJson() throws JSONException {
        return new JSONObject();
    }
}
