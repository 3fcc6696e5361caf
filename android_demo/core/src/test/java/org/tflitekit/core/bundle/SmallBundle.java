package org.tflitekit.core.bundle;

import java.io.ByteArrayInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HashMap;
import java.util.Map;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/**
 * A bundle in memory, to be damaged by tests: a grey 2 x 2 image becomes three float values with labels, in the
 * variants "float32" and "int8". Its models are no models.
 */
public final class SmallBundle implements BundleFiles {
    public final Map<String, byte[]> files = new HashMap<>();
    public final JSONObject json;

    public SmallBundle() throws Exception {
        json = new JSONObject()
                .put("schema_version", 1)
                .put("tool", new JSONObject())
                .put("name", "shapes")
                .put("input_kind", "image")
                .put("task", "classification")
                .put("recommended", "int8")
                .put("baseline", "float32")
                .put("output_meaning", "probabilities")
                .put("preprocessing", new JSONObject("{\"name\": \"0-1\", \"color\": \"rgb\", \"resize\": \"bilinear\","
                        + " \"fit\": \"stretch\", \"crop_fraction\": 1.0, \"divisor\": 255.0, \"mean\": [0.0],"
                        + " \"std\": [1.0]}"))
                .put("labels", new JSONArray("[\"circle\", \"square\", \"stripe\"]"))
                .put("source", JSONObject.NULL)
                .put("dataset", JSONObject.NULL)
                .put("variants", new JSONArray().put(variant("float32", "real", 1e-5))
                        .put(variant("int8", "steps", 0)))
                .put("golden", new JSONObject().put("seed", 1).put("top_k", 2).put("samples", new JSONArray()
                        .put(sample())));
    }

    public JSONObject variant(int index) throws JSONException {
        return json.getJSONArray("variants").getJSONObject(index);
    }

    public JSONObject sample(int index) throws JSONException {
        return json.getJSONObject("golden").getJSONArray("samples").getJSONObject(index);
    }

    public Bundle read() throws BundleException {
        files.put("bundle.json", json.toString().getBytes(StandardCharsets.UTF_8));
        return Bundle.read(this);
    }

    @Override
    public InputStream open(String path) throws IOException {
        byte[] content = files.get(path);
        if (content == null) {
            throw new FileNotFoundException(path);
        }
        return new ByteArrayInputStream(content);
    }

    @Override
    public String describe() {
        return "memory";
    }

    /** Adds a file and returns what bundle.json says of it. */
    public JSONObject entry(String file, byte[] content) throws Exception {
        files.put(file, content);
        StringBuilder hash = new StringBuilder();
        for (byte part : MessageDigest.getInstance("SHA-256").digest(content)) {
            hash.append(String.format("%02x", part));
        }
        return new JSONObject().put("file", file).put("sha256", hash.toString());
    }

    /** Gives the first variant, which must be of that name, another output. */
    public void addOutput(String variant, String name, double bound, byte[] content) throws Exception {
        JSONObject tolerance = new JSONObject().put("max_difference", bound).put("unit", "real").put("reason", "large");
        variant(0).getJSONArray("outputs").put(new JSONObject().put("name", name).put("shape", new JSONArray("[1, 3]"))
                .put("dtype", "float32").put("quantization", JSONObject.NULL));
        variant(0).getJSONArray("tolerances").put(new JSONObject().put("cpu", tolerance)
                .put("cpu_builtin", tolerance).put("gpu", tolerance).put("nnapi", tolerance));
        sample(0).getJSONArray("results").getJSONObject(0).getJSONArray("outputs")
                .put(array("golden/0000/" + variant + ".output-1.bin", "float32", "[1, 3]", content));
    }

    private JSONObject variant(String name, String unit, double bound) throws Exception {
        byte[] model = ("model " + name).getBytes(StandardCharsets.UTF_8);
        boolean quantized = name.equals("int8");
        Object quantization = quantized ? new JSONObject("{\"scale\": [0.5], \"zero_point\": [-2], \"axis\": null}")
                : JSONObject.NULL;
        JSONObject output = new JSONObject().put("name", "shape").put("shape", new JSONArray("[1, 3]"))
                .put("dtype", quantized ? "int8" : "float32").put("quantization", quantization);
        JSONObject none = new JSONObject().put("max_difference", JSONObject.NULL).put("unit", "real")
                .put("reason", "vendors round as they like");
        JSONObject tight = new JSONObject().put("max_difference", bound).put("unit", unit).put("reason", "the same");
        JSONObject loose = new JSONObject().put("max_difference", 0.5).put("unit", "real").put("reason", "16 bits");
        return entry("models/" + name + ".tflite", model)
                .put("name", name)
                .put("scheme", name)
                .put("size_bytes", model.length)
                .put("measured_sha256", "")
                .put("min_runtime_version", "2.3.0")
                .put("operators", 3)
                .put("integer_op_fraction", quantized ? 1.0 : 0.0)
                .put("keeps_state", false)
                .put("inputs", new JSONArray().put(new JSONObject().put("name", "image")
                        .put("shape", new JSONArray("[1, 2, 2, 1]")).put("dtype", "float32")
                        .put("quantization", JSONObject.NULL)))
                .put("outputs", new JSONArray().put(output))
                .put("primary_output", 0)
                .put("accuracy", new JSONObject("{\"metric\": \"accuracy\", \"value\": 0.9, \"low\": 0.8,"
                        + " \"high\": 0.95, \"n\": 100, \"higher_is_better\": true}"))
                .put("accuracy_drop", JSONObject.NULL)
                .put("tolerances", new JSONArray().put(new JSONObject().put("cpu", tight).put("cpu_builtin", tight)
                        .put("gpu", loose).put("nnapi", none)));
    }

    private JSONObject sample() throws Exception {
        JSONObject image = entry("golden/0000/image.png", new byte[] {0, 51, 102, (byte) 255})
                .put("width", 2).put("height", 2);
        JSONObject input = array("golden/0000/input-0.bin", "float32", "[1, 2, 2, 1]",
                floats(0f / 255, 51f / 255, 102f / 255, 255f / 255));
        JSONArray results = new JSONArray()
                .put(result("float32", input, array("golden/0000/float32.output-0.bin", "float32", "[1, 3]",
                        floats(0.25f, 0.5f, 0.25f))))
                .put(result("int8", input, array("golden/0000/int8.output-0.bin", "int8", "[1, 3]",
                        new byte[] {-2, 0, -1})));
        return new JSONObject().put("name", "0000").put("key", "circle/1.png").put("label", 1)
                .put("original", image).put("image", image)
                .put("pixels", array("golden/0000/pixels.bin", "uint8", "[2, 2, 1]",
                        new byte[] {0, 51, 102, (byte) 255}))
                .put("inputs", new JSONArray().put(input)).put("results", results);
    }

    private static JSONObject result(String variant, JSONObject input, JSONObject output) throws JSONException {
        return new JSONObject().put("variant", variant).put("inputs", new JSONArray().put(input))
                .put("outputs", new JSONArray().put(output))
                .put("top_k", new JSONArray("[{\"index\": 1, \"score\": 0.5}]"));
    }

    private JSONObject array(String file, String dtype, String shape, byte[] content) throws Exception {
        return entry(file, content).put("dtype", dtype).put("shape", new JSONArray(shape));
    }

    public static byte[] floats(float... values) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length)
                .order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            bytes.putFloat(value);
        }
        return bytes.array();
    }
}
