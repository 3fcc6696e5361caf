package org.tflitekit.core.inference;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertSame;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import org.json.JSONArray;
import org.json.JSONObject;
import org.junit.Test;
import org.tflitekit.core.AllocatedBytes;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.SmallBundle;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.core.image.ArgbImage;

/** From stored outputs to what an app shows; the real runtime is in RealBundleTest. */
public class ClassifierTest {
    private static final ArgbImage IMAGE = new ArgbImage(1, 1, new int[] {0xFF808080});
    private ScriptedEngine engine;

    private Classifier classifier(SmallBundle small, String variantName, byte[] answer) throws Exception {
        Bundle bundle = small.read();
        Variant variant = bundle.variant(variantName);
        engine = new ScriptedEngine(variant, answer, "cpu", "cpu");
        return new Classifier(bundle, variant, engine);
    }

    @Test
    public void probabilitiesOfAQuantizedOutput() throws Exception {
        Classifier classifier = classifier(new SmallBundle(), "int8", new byte[] {-2, 0, -1});
        Classification result = classifier.classify(IMAGE);
        assertEquals(2, result.count);
        assertEquals("square", result.labels[0]);
        assertEquals(1f, result.scores[0], 0);
        assertEquals("stripe", result.labels[1]);
        assertEquals(0.5f, result.scores[1], 0);
        assertTrue(result.probabilities && result.ranked);
        assertNull(result.warning);
        assertEquals(result.totalNanos(),
                result.preprocessNanos + result.inferenceNanos + result.postprocessNanos);
        assertTrue(result.preprocessNanos > 0);
        assertSame(result, classifier.classify(IMAGE));
        classifier.close();
        assertTrue(engine.closed);
    }

    @Test
    public void notANumber() throws Exception {
        Classifier classifier = classifier(new SmallBundle(), "float32",
                SmallBundle.floats(Float.NaN, 0.25f, Float.NaN));
        Classification result = classifier.classify(IMAGE);
        assertTrue(result.notANumber);
        assertTrue(result.warning, result.warning.contains("not numbers (NaN)"));
        assertEquals("square", result.labels[0]);
        Classification all = classifier(new SmallBundle(), "float32",
                SmallBundle.floats(Float.NaN, Float.NaN, Float.NaN)).classify(IMAGE);
        assertEquals(2, all.count);
        assertTrue(all.notANumber);
    }

    @Test
    public void valuesAreShownWithTheirSoftmax() throws Exception {
        SmallBundle small = new SmallBundle();
        small.json.put("output_meaning", "values");
        Classification result = classifier(small, "float32", SmallBundle.floats(0, (float) Math.log(2), 0))
                .classify(IMAGE);
        assertFalse(result.probabilities);
        assertEquals((float) Math.log(2), result.scores[0], 0);
        assertEquals(0.5f, result.softmax[0], 1e-6f);
        assertEquals(0.25f, result.softmax[1], 1e-6f);
    }

    private static SmallBundle binary(String meaning) throws Exception {
        SmallBundle small = new SmallBundle();
        small.json.put("task", "binary").put("output_meaning", meaning)
                .put("labels", new JSONArray("[\"no\", \"yes\"]"));
        for (int i = 0; i < 2; i++) {
            small.variant(i).getJSONArray("outputs").getJSONObject(0).put("shape", new JSONArray("[1, 1]"));
        }
        return small;
    }

    @Test
    public void oneValueForTwoClasses() throws Exception {
        Classification result = classifier(binary("probabilities"), "float32", SmallBundle.floats(0.3f))
                .classify(IMAGE);
        assertEquals("no", result.labels[0]);
        assertEquals(1 - 0.3f, result.scores[0], 0);
        assertEquals(0.3f, result.scores[1], 0);
        Classification logit = classifier(binary("values"), "float32", SmallBundle.floats(2)).classify(IMAGE);
        assertEquals("yes", logit.labels[0]);
        assertEquals(2f, logit.scores[0], 0);
        assertEquals(-2f, logit.scores[1], 0);
        assertEquals(1 / (1 + Math.exp(-2)), logit.softmax[0], 1e-6);
    }

    @Test
    public void otherTasksKeepTheOrder() throws Exception {
        SmallBundle small = new SmallBundle();
        small.json.put("task", "other").put("output_meaning", "values").put("labels", JSONObject.NULL);
        Classification result = classifier(small, "float32", SmallBundle.floats(1, 3, 2)).classify(IMAGE);
        assertFalse(result.ranked);
        assertEquals(1f, result.scores[0], 0);
        assertEquals(3f, result.scores[1], 0);
        assertEquals("value 0", result.labels[0]);
    }

    @Test
    public void withoutLabels() throws Exception {
        SmallBundle small = new SmallBundle();
        small.json.put("labels", JSONObject.NULL);
        assertEquals("class 1", classifier(small, "int8", new byte[] {-2, 0, -1}).classify(IMAGE).labels[0]);
    }

    @Test
    public void tensorsAreNotClassified() throws Exception {
        SmallBundle small = new SmallBundle();
        small.json.put("input_kind", "tensors");
        try {
            classifier(small, "int8", new byte[3]);
            fail();
        } catch (BundleException error) {
            assertTrue(error.getMessage(), error.getMessage().contains("verify and benchmark it, not run it on pictures"));
        }
    }

    @Test
    public void aRuntimeThatFails() throws Exception {
        try {
            classifier(new SmallBundle(), "int8", null).classify(IMAGE);
            fail();
        } catch (EngineException error) {
            assertEquals("The delegate lost its device.", error.getMessage());
        }
    }

    @Test
    public void nothingIsAllocatedOnceWarm() throws Exception {
        SmallBundle small = new SmallBundle();
        small.json.put("output_meaning", "values");
        Classifier classifier = classifier(small, "float32", SmallBundle.floats(1, 2, 3));
        ArgbImage frame = new ArgbImage(320, 240, new int[320 * 240]);
        classifier.classify(frame);
        AllocatedBytes.now();
        long before = AllocatedBytes.now();
        for (int i = 0; i < 100; i++) {
            classifier.classify(frame);
        }
        assertEquals(0, AllocatedBytes.now() - before);
    }
}
