package org.tflitekit.core.verify;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.json.JSONObject;
import org.junit.Test;
import org.tflitekit.core.bundle.SmallBundle;
import org.tflitekit.core.image.ArgbImage;
import org.tflitekit.core.image.PixelSource;
import org.tflitekit.core.inference.EngineFactory;
import org.tflitekit.core.inference.ScriptedEngine;

/** Green, red, not judged and impossible; that a real device passes is in RealBundleTest. */
public class VerifierTest {
    private static final byte[] HOST_INT8 = {-2, 0, -1};

    /** Reads the small bundle's "image files", which are four grey bytes. */
    private static class GreyDecoder implements ImageDecoder {
        @Override
        public PixelSource decode(byte[] file) throws IOException {
            if (file.length != 4) {
                throw new IOException("This is no image: it is cut off.");
            }
            int[] argb = new int[4];
            for (int i = 0; i < 4; i++) {
                argb[i] = 0xFF000000 | (file[i] & 255) * 0x010101;
            }
            return new ArgbImage(2, 2, argb);
        }
    }

    private static SmallBundle only(String variant) throws Exception {
        SmallBundle small = new SmallBundle();
        small.json.getJSONArray("variants").remove(variant.equals("int8") ? 0 : 1);
        small.sample(0).getJSONArray("results").remove(variant.equals("int8") ? 0 : 1);
        small.json.put("recommended", variant);
        return small;
    }

    private static Verification verify(SmallBundle small, EngineFactory engines, String accelerator)
            throws Exception {
        return new Verifier(small.read(), engines, new GreyDecoder())
                .verify(Collections.singletonList(accelerator), 1, null);
    }

    private static RunCheck run(Verification result) {
        assertEquals(1, result.runs.size());
        return result.runs.get(0);
    }

    @Test
    public void equal() throws Exception {
        ScriptedEngine.Factory engines = new ScriptedEngine.Factory(HOST_INT8, null);
        Verification result = verify(only("int8"), engines, "cpu");
        assertTrue(result.summary(), result.passed());
        assertEquals("Images as on the host: 1 of 1. Runs as on the host: 1 of 1.", result.summary());
        assertEquals("Largest difference of outputs: 0 steps (allowed: 0 steps).", run(result).message);
        assertEquals(0, result.images.get(0).decodeDifference);
        assertTrue(engines.last.closed);
    }

    @Test
    public void oneStepTooFar() throws Exception {
        Verification result = verify(only("int8"), new ScriptedEngine.Factory(new byte[] {-2, 0, 1}, null), "cpu");
        assertFalse(result.passed());
        assertEquals(Verdict.FAILED, run(result).verdict);
        assertEquals(2, run(result).worst.difference, 0);
        assertEquals("1 of 1 samples fail. Largest difference of outputs: 2 steps (allowed: 0 steps).",
                run(result).message);
        assertFalse(run(result).samples.get(0).sameTop1);
        assertEquals("Images as on the host: 1 of 1. Runs as on the host: 0 of 1, 1 failed.", result.summary());
    }

    /** Asked for the exact CPU, but the GPU ran: its own tolerance counts. And the other way round. */
    @Test
    public void theToleranceOfWhatRan() throws Exception {
        byte[] oneStep = {-2, 0, -2};
        RunCheck gpu = run(verify(only("int8"), new ScriptedEngine.Factory(oneStep, "gpu"), "cpu"));
        assertEquals(Verdict.PASSED, gpu.verdict);
        assertEquals("cpu", gpu.requestedAccelerator);
        assertEquals("gpu", gpu.actualAccelerator);
        assertEquals(0.5, gpu.worst.difference, 0);
        RunCheck cpu = run(verify(only("int8"), new ScriptedEngine.Factory(oneStep, "cpu"), "gpu"));
        assertEquals(Verdict.FAILED, cpu.verdict);
        assertEquals(1, cpu.worst.difference, 0);
    }

    @Test
    public void withoutABoundNothingIsJudged() throws Exception {
        Verification result = verify(only("int8"), new ScriptedEngine.Factory(new byte[] {9, 9, 9}, null), "nnapi");
        assertEquals(Verdict.NOT_JUDGED, run(result).verdict);
        assertEquals(5.5, run(result).worst.difference, 0);
        assertEquals("Largest difference of outputs: 5.5 (not judged: vendors round as they like).",
                run(result).message);
        assertFalse("nothing was proven", result.passed());
        JSONObject json = result.toJson().getJSONArray("runs").getJSONObject(0);
        assertEquals("not_judged", json.getString("verdict"));
        assertTrue(json.getJSONObject("tolerance").isNull("max_difference"));
    }

    @Test
    public void notANumber() throws Exception {
        for (String accelerator : new String[] {"cpu", "gpu", "nnapi"}) {
            Verification result = verify(only("float32"),
                    new ScriptedEngine.Factory(SmallBundle.floats(0.25f, Float.NaN, 0.25f), null), accelerator);
            RunCheck run = run(result);
            assertEquals(accelerator, Verdict.FAILED, run.verdict);
            assertTrue(run.message, run.message.contains("not a number on one side"));
            assertTrue(run.samples.get(0).notANumber);
            assertTrue(result.toJson().getJSONArray("runs").getJSONObject(0).isNull("output_difference"));
        }
    }

    @Test
    public void floatsWithinTheirTolerance() throws Exception {
        byte[] close = SmallBundle.floats(0.25f, 0.500001f, 0.25f);
        RunCheck run = run(verify(only("float32"), new ScriptedEngine.Factory(close, null), "cpu"));
        assertEquals(Verdict.PASSED, run.verdict);
        assertEquals(0.500001f - 0.5f, run.worst.difference, 1e-12);
    }

    /** A small output is not judged by what a large one may be off by, and the worst is told by its share of its bound. */
    @Test
    public void eachOutputHasItsTolerance() throws Exception {
        SmallBundle small = only("float32");
        small.addOutput("float32", "boxes", 10, SmallBundle.floats(300, 200, 100));
        float[][] answers = {{0.25f, 0.5f, 0.25f, 305, 200, 100}, {0.25f, 0.51f, 0.25f, 305, 200, 100}};
        RunCheck within = run(verify(small, new ScriptedEngine.Factory(SmallBundle.floats(answers[0]), null), "cpu"));
        assertEquals(Verdict.PASSED, within.verdict);
        assertEquals("Largest difference in the output 'boxes': 5 (allowed: 10).", within.message);
        Verification result = verify(small, new ScriptedEngine.Factory(SmallBundle.floats(answers[1]), null), "cpu");
        assertEquals(Verdict.FAILED, run(result).verdict);
        assertEquals(0.01, run(result).worst.difference, 1e-7);
        assertEquals("shape", result.toJson().getJSONArray("runs").getJSONObject(0).getString("output"));
    }

    @Test
    public void aRuntimeThatFailsOrIsTooOld() throws Exception {
        RunCheck lost = run(verify(only("int8"), new ScriptedEngine.Factory(null, null), "gpu"));
        assertEquals(Verdict.ERROR, lost.verdict);
        assertEquals("Sample 0000: The delegate lost its device.", lost.message);
        SmallBundle small = only("int8");
        small.variant(0).put("min_runtime_version", "2.17.0");
        Verification old = verify(small, new ScriptedEngine.Factory(HOST_INT8, null), "cpu");
        assertEquals(Verdict.ERROR, run(old).verdict);
        assertTrue(run(old).message, run(old).message.contains("needs the runtime 2.17.0 or newer"));
        assertNull(run(old).actualAccelerator);
        assertTrue(old.toJson().getJSONArray("runs").getJSONObject(0).isNull("actual_accelerator"));
    }

    @Test
    public void aModelOrSampleThatWasChanged() throws Exception {
        SmallBundle model = only("int8");
        model.files.put("models/int8.tflite", "model int9".getBytes("UTF-8"));
        RunCheck run = run(verify(model, new ScriptedEngine.Factory(HOST_INT8, null), "cpu"));
        assertEquals(Verdict.ERROR, run.verdict);
        assertTrue(run.message, run.message.contains("is not the one that was bundled"));
        SmallBundle sample = only("int8");
        sample.files.put("golden/0000/int8.output-0.bin", HOST_INT8.clone());
        sample.files.put("golden/0000/input-0.bin", new byte[16]);
        Verification damaged = verify(sample, new ScriptedEngine.Factory(HOST_INT8, null), "cpu");
        assertEquals(Verdict.ERROR, run(damaged).verdict);
        assertFalse(damaged.passed());
    }

    @Test
    public void anImageThatCannotBeDecoded() throws Exception {
        SmallBundle small = only("int8");
        JSONObject broken = small.entry("golden/0000/image.png", new byte[] {1, 2}).put("width", 2).put("height", 2);
        small.sample(0).put("image", broken).put("original", broken);
        Verification result = verify(small, new ScriptedEngine.Factory(HOST_INT8, null), "cpu");
        assertEquals(Verdict.ERROR, result.images.get(0).verdict);
        assertEquals("This is no image: it is cut off.", result.images.get(0).message);
        assertEquals(Verdict.ERROR, run(result).verdict);
        assertFalse(result.passed());
        assertTrue(result.toJson().getJSONArray("images").getJSONObject(0).isNull("pixel_difference"));
    }

    /** A JPEG decoder that differs is shown, and nothing fails for it. */
    @Test
    public void anOriginalThatDecodesOtherwise() throws Exception {
        SmallBundle small = only("int8");
        small.sample(0).put("original", small.entry("golden/0000/original.jpg", new byte[] {3, 51, 102, (byte) 255})
                .put("width", 2).put("height", 2));
        Verification result = verify(small, new ScriptedEngine.Factory(HOST_INT8, null), "cpu");
        assertTrue(result.passed());
        assertEquals(3, result.images.get(0).decodeDifference);
        assertEquals(0.75, result.images.get(0).meanDecodeDifference, 0);
        SmallBundle cut = only("int8");
        cut.sample(0).put("original", cut.entry("golden/0000/original.jpg", new byte[1]).put("width", 2)
                .put("height", 2));
        Verification undecodable = verify(cut, new ScriptedEngine.Factory(HOST_INT8, null), "cpu");
        assertTrue(undecodable.passed());
        assertEquals(-1, undecodable.images.get(0).decodeDifference);
        assertTrue(undecodable.images.get(0).message.contains("cannot decode the original"));
    }

    @Test
    public void pixelsThatAreNotTheHosts() throws Exception {
        SmallBundle small = only("int8");
        JSONObject other = small.entry("golden/0000/pixels.bin", new byte[] {0, 51, 100, (byte) 255})
                .put("dtype", "uint8").put("shape", small.sample(0).getJSONObject("pixels").getJSONArray("shape"));
        small.sample(0).put("pixels", other);
        Verification result = verify(small, new ScriptedEngine.Factory(HOST_INT8, null), "cpu");
        assertEquals(Verdict.FAILED, result.images.get(0).verdict);
        assertEquals(2, result.images.get(0).pixelDifference);
        assertFalse(result.passed());
        small.json.getJSONObject("preprocessing").put("divisor", 127.5);
        RunCheck run = run(verify(small, new ScriptedEngine.Factory(HOST_INT8, null), "cpu"));
        assertEquals(Verdict.FAILED, run.verdict);
        assertTrue(run.message, run.message.contains("The input of 1 of 1 samples is not the host's."));
    }

    @Test
    public void tensorsHaveNoImages() throws Exception {
        SmallBundle small = only("int8");
        small.json.put("input_kind", "tensors");
        small.sample(0).put("original", JSONObject.NULL).put("image", JSONObject.NULL).put("pixels", JSONObject.NULL);
        Verification result = verify(small, new ScriptedEngine.Factory(HOST_INT8, null), "cpu");
        assertTrue(result.images.isEmpty());
        assertTrue(result.passed());
    }

    @Test
    public void progressAndStopping() throws Exception {
        final List<String> heard = new ArrayList<>();
        VerificationListener listener = new VerificationListener() {
            @Override
            public void image(ImageCheck check) {
                heard.add(check.sample);
            }

            @Override
            public void run(RunCheck check) {
                heard.add(check.variant + " " + check.requestedAccelerator);
            }

            @Override
            public boolean proceed() {
                return heard.size() < 3;
            }
        };
        ScriptedEngine.Factory engines = new ScriptedEngine.Factory(HOST_INT8, null);
        Verification result = new Verifier(only("int8").read(), engines, new GreyDecoder())
                .verify(engines.accelerators(), 1, listener);
        assertEquals("[0000, int8 cpu, int8 gpu]", heard.toString());
        assertTrue(result.cancelled);
        assertFalse(result.passed());
        assertTrue(result.summary(), result.summary().startsWith("Stopped before its end. "));
    }
}
