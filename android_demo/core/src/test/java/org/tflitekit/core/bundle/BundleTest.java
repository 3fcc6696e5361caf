package org.tflitekit.core.bundle;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.json.JSONArray;
import org.json.JSONObject;
import org.junit.Test;

/** What a bundle says is read; every way of being wrong is refused in words. */
public class BundleTest {
    @Test
    public void whatItSays() throws Exception {
        Bundle bundle = new SmallBundle().read();
        assertEquals("shapes", bundle.name);
        assertEquals("[circle, square, stripe]", bundle.labels.toString());
        assertTrue(bundle.takesImages() && bundle.classifies() && bundle.givesProbabilities());
        Variant variant = bundle.variant("int8");
        assertEquals(0.5f, variant.primary().scale, 0);
        assertEquals(-2, variant.primary().zeroPoint);
        assertEquals(16, variant.inputs.get(0).bytes());
        assertEquals(0.9, variant.accuracy.value, 0);
        assertNull(variant.accuracyDrop);
        assertTrue(variant.tolerance(0, "cpu").inSteps());
        assertTrue(!variant.tolerance(0, "nnapi").judges());
        assertTrue(!variant.tolerance(0, "something new").judges());
        assertEquals(0.5f, bundle.golden.get(0).result(variant).topScore(0), 0);
        ByteBuffer model = bundle.model(variant);
        assertTrue(model.isDirect());
        assertEquals("model int8", StandardCharsets.UTF_8.decode(model).toString());
    }

    @Test
    public void aBaselineThatIsNotInTheBundle() throws Exception {
        SmallBundle small = new SmallBundle();
        small.json.put("baseline", "float16");
        assertEquals("float16", small.read().baseline);
    }

    @Test
    public void whatRecordingsMustBe() throws Exception {
        assertNull(new SmallBundle().read().sound);
        SmallBundle small = new SmallBundle();
        JSONObject sound = new JSONObject("{\"rate\": 8000, \"channels\": 1, \"length\": 1024,"
                + " \"pad\": \"end\", \"crop\": null}");
        small.json.put("sound", sound);
        Sound found = small.read().sound;
        assertEquals("8000 1 1024 end null",
                found.rate + " " + found.channels + " " + found.length + " " + found.pad + " " + found.crop);
        sound.put("length", JSONObject.NULL);
        assertEquals(0, small.read().sound.length);
        sound.put("rate", 0);
        refused(small, "rate", "1 or more");
    }

    @Test
    public void unknownFieldsOfTheSameSchemaAreIgnored() throws Exception {
        SmallBundle small = new SmallBundle();
        small.json.put("motto", "onwards");
        small.variant(0).put("colour", new JSONObject());
        assertEquals("shapes", small.read().name);
    }

    @Test
    public void aNewerSchema() throws Exception {
        SmallBundle small = new SmallBundle();
        small.json.put("schema_version", 3).remove("variants");
        refused(small, "has schema version 3, this app reads up to version 2", "update the app");
    }

    @Test
    public void noBundle() {
        try {
            Bundle.read(new SmallBundleWithoutDescription());
            fail();
        } catch (BundleException error) {
            contains(error, "no readable bundle in nowhere", "bundle.json is gone", "tflitekit bundle");
        }
    }

    private static final class SmallBundleWithoutDescription implements BundleFiles {
        @Override
        public InputStream open(String path) throws IOException {
            throw new IOException(path + " is gone");
        }

        @Override
        public String describe() {
            return "nowhere";
        }
    }

    @Test
    public void textThatIsNotJson() {
        StringBuilder deep = new StringBuilder();
        for (int i = 0; i < 200_000; i++) {
            deep.append("[");
        }
        String[] texts = {"", "{", "{\"schema_version\": 1", "[]", "null", "\u0000\u0001", deep.toString()};
        for (String text : texts) {
            try {
                BundleParser.parse(text, null);
                fail(text);
            } catch (BundleException error) {
                contains(error, "bundle.json");
            }
        }
    }

    /** Every field that is missing, or of another type, gives an error that names it. */
    @Test
    public void everyFieldIsChecked() throws Exception {
        String[] optional = {"labels", "baseline", "accuracy", "accuracy_drop", "min_runtime_version", "scheme",
            "integer_op_fraction", "quantization", "label", "metric", "low", "high", "n", "max_difference"};
        String[] unread = {"tool", "source", "dataset", "measured_sha256", "axis", "higher_is_better", "seed"};
        String valid = new SmallBundle().json.toString();
        JSONObject whole = new JSONObject(valid);
        int checked = spoil(whole, whole, optional, unread);
        assertTrue(String.valueOf(checked), checked > 150);
    }

    /** Spoils each field of an object in turn, and those of the objects in it. */
    private static int spoil(JSONObject whole, JSONObject part, String[] optional, String[] unread)
            throws Exception {
        int checked = 0;
        JSONArray names = part.names();
        for (int i = 0; names != null && i < names.length(); i++) {
            String name = names.getString(i);
            if (contained(unread, name)) {
                continue;
            }
            Object value = part.get(name);
            for (Object wrong : new Object[] {null, JSONObject.NULL, new JSONObject(), new JSONArray("[{}]"), true}) {
                boolean fine = contained(optional, name) && (wrong == null || wrong == JSONObject.NULL)
                        || value instanceof Boolean && wrong instanceof Boolean;
                if (wrong == null) {
                    part.remove(name);
                } else {
                    part.put(name, wrong);
                }
                try {
                    BundleParser.parse(whole.toString(), null);
                    assertTrue(name + " may not be " + wrong, fine);
                } catch (BundleException error) {
                    contains(error, ".");
                }
                checked++;
            }
            part.put(name, value);
            if (value instanceof JSONObject) {
                checked += spoil(whole, (JSONObject) value, optional, unread);
            } else if (value instanceof JSONArray && ((JSONArray) value).opt(0) instanceof JSONObject) {
                checked += spoil(whole, ((JSONArray) value).getJSONObject(0), optional, unread);
            }
        }
        return checked;
    }

    private static boolean contained(String[] names, String name) {
        for (String other : names) {
            if (other.equals(name)) {
                return true;
            }
        }
        return false;
    }

    @Test
    public void aMissingFile() throws Exception {
        SmallBundle small = new SmallBundle();
        small.files.remove("models/int8.tflite");
        Bundle bundle = small.read();
        try {
            bundle.model(bundle.variant("int8"));
            fail();
        } catch (BundleException error) {
            contains(error, "'models/int8.tflite'", "cannot be read", "Copy the whole bundle again");
        }
    }

    @Test
    public void aFileThatWasChanged() throws Exception {
        SmallBundle small = new SmallBundle();
        small.files.put("models/int8.tflite", "model int9".getBytes(StandardCharsets.UTF_8));
        small.files.put("golden/0000/pixels.bin", new byte[3]);
        Bundle bundle = small.read();
        Variant variant = bundle.variant("int8");
        try {
            bundle.model(variant);
            fail();
        } catch (BundleException error) {
            contains(error, "'models/int8.tflite' is not the one that was bundled", variant.file.sha256);
        }
        try {
            bundle.bytes(bundle.golden.get(0).pixels);
            fail();
        } catch (BundleException error) {
            contains(error, "'golden/0000/pixels.bin' is not the one that was bundled");
        }
    }

    @Test
    public void aModelOfAnotherSize() throws Exception {
        SmallBundle small = new SmallBundle();
        small.files.put("models/int8.tflite", new byte[1000]);
        Bundle longer = small.read();
        try {
            longer.model(longer.variant("int8"));
            fail();
        } catch (BundleException error) {
            contains(error, "more than the 10 bytes");
        }
        small.files.put("models/int8.tflite", new byte[2]);
        Bundle shorter = small.read();
        try {
            shorter.model(shorter.variant("int8"));
            fail();
        } catch (BundleException error) {
            contains(error, "is not the one that was bundled");
        }
    }

    @Test
    public void namesThatLeaveTheBundle() throws Exception {
        String[] names = {"../secret", "/etc/passwd", "models/../../x", "a//b", "", ".", "a/./b", "a\\b", "C:/x",
            "file:x", "a\u0000b", "models/"};
        for (String name : names) {
            SmallBundle small = new SmallBundle();
            small.variant(1).put("file", name);
            refused(small, "does not lie in its folder");
        }
    }

    @Test
    public void labelsOfAnotherModel() throws Exception {
        SmallBundle small = new SmallBundle();
        small.json.put("labels", new JSONArray("[\"a\", \"b\"]"));
        refused(small, "2 labels", "tells 3 classes apart", "labels file");
        small.json.put("task", "binary");
        small.variant(0).getJSONArray("outputs").getJSONObject(0).put("shape", new JSONArray("[1, 1]"));
        small.variant(1).getJSONArray("outputs").getJSONObject(0).put("shape", new JSONArray("[1, 1]"));
        assertTrue(small.read().isBinary());
        small.json.put("labels", new JSONArray("[\"a\"]"));
        refused(small, "1 labels", "tells 2 classes apart");
    }

    @Test
    public void variantsThatAreNotThere() throws Exception {
        SmallBundle small = new SmallBundle();
        try {
            small.read().variant("int4");
            fail();
        } catch (BundleException error) {
            contains(error, "has no variant 'int4'", "It has: float32, int8");
        }
        small.json.put("recommended", "int4");
        refused(small, "has no variant 'int4'");
        SmallBundle without = new SmallBundle();
        without.sample(0).getJSONArray("results").getJSONObject(0).put("variant", "int8");
        refused(without, "golden sample '0000' has no result of the variant 'float32'");
        SmallBundle none = new SmallBundle();
        none.json.put("variants", new JSONArray());
        refused(none, "holds no variant");
        SmallBundle twice = new SmallBundle();
        twice.variant(0).put("name", "int8");
        refused(twice, "two variants named 'int8'");
    }

    @Test
    public void aRuntimeThatIsTooOld() throws Exception {
        SmallBundle small = new SmallBundle();
        small.variant(1).put("min_runtime_version", "2.17.0");
        Variant variant = small.read().variant("int8");
        RuntimeVersion.require(variant, "2.17");
        RuntimeVersion.require(variant, "2.22.0-dev0+selfbuilt");
        RuntimeVersion.require(variant, "1.4.2");
        try {
            RuntimeVersion.require(variant, "2.16.1");
            fail();
        } catch (BundleException error) {
            contains(error, "'int8' needs the runtime 2.17.0 or newer, this app has 2.16.1", "another variant");
        }
    }

    @Test
    public void versionsAreNumbers() {
        assertTrue(RuntimeVersion.compare("2.9.1", "2.16.0") < 0);
        assertTrue(RuntimeVersion.compare("2.16.1", "2.16.0") > 0);
        assertEquals(0, RuntimeVersion.compare("2.16", "2.16.0"));
        assertEquals(0, RuntimeVersion.compare("2.17.0-rc1", "2.17.0"));
        assertTrue(RuntimeVersion.compare("unknown", "1.0") < 0);
        assertTrue(RuntimeVersion.compare("99999999999999999999.1", "2") > 0);
    }

    @Test
    public void numbersThatCannotBe() throws Exception {
        Object[][] cases = {{"divisor", 0}, {"divisor", -1}, {"crop_fraction", 0}, {"crop_fraction", 1.5},
            {"mean", new JSONArray()}, {"std", new JSONArray()}, {"std", new JSONArray("[0.0]")},
            {"resize", "hamming"}, {"fit", "squeeze"}, {"color", "yuv"}};
        for (Object[] wrong : cases) {
            SmallBundle small = new SmallBundle();
            small.json.getJSONObject("preprocessing").put((String) wrong[0], wrong[1]);
            refused(small, "'preprocessing." + wrong[0] + "'");
        }
        SmallBundle huge = new SmallBundle();
        huge.variant(0).getJSONArray("inputs").getJSONObject(0).put("shape", new JSONArray("[1, 99999, 99999, 3]"));
        refused(huge, "'variants[0].inputs[0].shape'", "fits into memory");
        SmallBundle type = new SmallBundle();
        type.variant(0).getJSONArray("inputs").getJSONObject(0).put("dtype", "float8");
        refused(type, "'float8'", "Update the app");
    }

    private static void refused(SmallBundle small, String... parts) {
        try {
            small.read();
            fail(parts[0]);
        } catch (BundleException error) {
            contains(error, parts);
        }
    }

    private static void contains(BundleException error, String... parts) {
        for (String part : parts) {
            assertTrue(error.getMessage() + " lacks " + part, error.getMessage().contains(part));
        }
    }
}
