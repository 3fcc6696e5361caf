package org.tflitekit.core.bundle;

import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;
import org.json.JSONTokener;

/** A JSON object with strict types, whose errors say where something is wrong. */
public final class JsonNode {
    private final JSONObject object;
    private final String path;

    private JsonNode(JSONObject object, String path) {
        this.object = object;
        this.path = path;
    }

    /** @throws BundleException the text is no JSON object */
    static JsonNode parse(String text) throws BundleException {
        try {
            Object value = new JSONTokener(text).nextValue();
            if (value instanceof JSONObject) {
                return new JsonNode((JSONObject) value, "");
            }
            throw new BundleException("bundle.json holds no JSON object. Make the bundle again with"
                    + " 'tflitekit bundle'.");
        } catch (JSONException error) {
            throw new BundleException("bundle.json is not JSON, or is cut off: " + error.getMessage()
                    + ". Make the bundle again with 'tflitekit bundle', or copy it again.", error);
        } catch (StackOverflowError error) {
            throw new BundleException("bundle.json is nested too deeply to be a bundle.", error);
        }
    }

    public boolean isNull(String key) {
        return object.isNull(key);
    }

    public JsonNode node(String key) throws BundleException {
        Object value = required(key);
        if (value instanceof JSONObject) {
            return new JsonNode((JSONObject) value, at(key));
        }
        throw wrong(key, "an object");
    }

    /** Returns the object of a key, or null where it is absent or null. */
    public JsonNode optionalNode(String key) throws BundleException {
        return isNull(key) ? null : node(key);
    }

    public String text(String key) throws BundleException {
        Object value = required(key);
        if (value instanceof String) {
            return (String) value;
        }
        throw wrong(key, "a text");
    }

    public String optionalText(String key) throws BundleException {
        return isNull(key) ? null : text(key);
    }

    /** Returns a text that must be one of some. */
    public String choice(String key, String... choices) throws BundleException {
        String value = text(key);
        for (String choice : choices) {
            if (choice.equals(value)) {
                return value;
            }
        }
        StringBuilder known = new StringBuilder();
        for (String choice : choices) {
            known.append(known.length() > 0 ? ", " : "").append('\'').append(choice).append('\'');
        }
        throw wrong(key, "one of " + known);
    }

    public double number(String key) throws BundleException {
        Object value = required(key);
        if (value instanceof Number) {
            return ((Number) value).doubleValue();
        }
        throw wrong(key, "a number");
    }

    /** Returns a number, or NaN where it is absent or null. */
    public double optionalNumber(String key) throws BundleException {
        return isNull(key) ? Double.NaN : number(key);
    }

    public int integer(String key) throws BundleException {
        return whole(required(key), key);
    }

    long size(String key) throws BundleException {
        double value = number(key);
        if (value < 0 || value != Math.rint(value)) {
            throw wrong(key, "a number of bytes");
        }
        return (long) value;
    }

    public boolean flag(String key) throws BundleException {
        Object value = required(key);
        if (value instanceof Boolean) {
            return (Boolean) value;
        }
        throw wrong(key, "true or false");
    }

    public JsonNode[] nodes(String key) throws BundleException {
        JSONArray array = array(key);
        JsonNode[] nodes = new JsonNode[array.length()];
        for (int i = 0; i < nodes.length; i++) {
            Object value = array.opt(i);
            if (!(value instanceof JSONObject)) {
                throw wrong(key + "[" + i + "]", "an object");
            }
            nodes[i] = new JsonNode((JSONObject) value, at(key) + "[" + i + "]");
        }
        return nodes;
    }

    public String[] texts(String key) throws BundleException {
        JSONArray array = array(key);
        String[] texts = new String[array.length()];
        for (int i = 0; i < texts.length; i++) {
            Object value = array.opt(i);
            if (!(value instanceof String)) {
                throw wrong(key + "[" + i + "]", "a text");
            }
            texts[i] = (String) value;
        }
        return texts;
    }

    public double[] numbers(String key) throws BundleException {
        JSONArray array = array(key);
        double[] numbers = new double[array.length()];
        for (int i = 0; i < numbers.length; i++) {
            Object value = array.opt(i);
            if (!(value instanceof Number)) {
                throw wrong(key + "[" + i + "]", "a number");
            }
            numbers[i] = ((Number) value).doubleValue();
        }
        return numbers;
    }

    /** Returns a list of lists, each with so many numbers. */
    public double[][] rows(String key, int columns) throws BundleException {
        return rows(array(key), key, columns);
    }

    /** Returns a list of lists of lists, each of those with so many numbers. */
    public double[][][] lists(String key, int columns) throws BundleException {
        JSONArray array = array(key);
        double[][][] lists = new double[array.length()][][];
        for (int i = 0; i < lists.length; i++) {
            String place = key + "[" + i + "]";
            if (!(array.opt(i) instanceof JSONArray)) {
                throw wrong(place, "a list");
            }
            lists[i] = rows((JSONArray) array.opt(i), place, columns);
        }
        return lists;
    }

    private double[][] rows(JSONArray array, String key, int columns) throws BundleException {
        double[][] rows = new double[array.length()][];
        for (int i = 0; i < rows.length; i++) {
            String place = key + "[" + i + "]";
            JSONArray row = array.opt(i) instanceof JSONArray ? (JSONArray) array.opt(i) : null;
            if (row == null || row.length() != columns) {
                throw wrong(place, "a list of " + columns + " numbers");
            }
            rows[i] = new double[columns];
            for (int j = 0; j < columns; j++) {
                if (!(row.opt(j) instanceof Number)) {
                    throw wrong(place, "a list of " + columns + " numbers");
                }
                rows[i][j] = ((Number) row.opt(j)).doubleValue();
            }
        }
        return rows;
    }

    public int[] integers(String key) throws BundleException {
        JSONArray array = array(key);
        int[] integers = new int[array.length()];
        for (int i = 0; i < integers.length; i++) {
            integers[i] = whole(array.opt(i), key + "[" + i + "]");
        }
        return integers;
    }

    /** Returns an error about the value of a key. */
    public BundleException wrong(String key, String expected) {
        return new BundleException("bundle.json is wrong at '" + at(key) + "': it must be " + expected
                + ". Make the bundle again with 'tflitekit bundle'.");
    }

    private JSONArray array(String key) throws BundleException {
        Object value = required(key);
        if (value instanceof JSONArray) {
            return (JSONArray) value;
        }
        throw wrong(key, "a list");
    }

    private Object required(String key) throws BundleException {
        Object value = object.opt(key);
        if (value == null) {
            throw new BundleException("bundle.json lacks '" + at(key)
                    + "'. Make the bundle again with 'tflitekit bundle'.");
        }
        return value;
    }

    private int whole(Object value, String key) throws BundleException {
        if (value instanceof Number) {
            double number = ((Number) value).doubleValue();
            if (number == Math.rint(number) && Math.abs(number) <= Integer.MAX_VALUE) {
                return (int) number;
            }
        }
        throw wrong(key, "a whole number");
    }

    private String at(String key) {
        return path.isEmpty() ? key : path + "." + key;
    }
}
