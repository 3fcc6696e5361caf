package org.tflitekit.core.bundle;

import org.json.JSONObject;

/** Lets tests of other packages read parts of a bundle. */
public final class Specs {
    private Specs() {}

    public static Preprocessing preprocessing(JSONObject json) throws BundleException {
        return BundleParser.preprocessing(JsonNode.parse(json.toString()));
    }

    public static TensorSpec tensor(JSONObject json) throws BundleException {
        return BundleParser.tensor(JsonNode.parse(json.toString()));
    }
}
