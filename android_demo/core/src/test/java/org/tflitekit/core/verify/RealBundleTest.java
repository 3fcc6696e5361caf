package org.tflitekit.core.verify;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assume.assumeNotNull;
import static org.junit.Assume.assumeTrue;

import java.io.File;
import java.io.FileOutputStream;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Collections;
import org.junit.Before;
import org.junit.Test;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleFolder;
import org.tflitekit.core.bundle.GoldenResult;
import org.tflitekit.core.bundle.GoldenSample;
import org.tflitekit.core.bundle.TensorSpec;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.core.image.PixelSource;
import org.tflitekit.core.image.Preprocessor;
import org.tflitekit.core.inference.Classification;
import org.tflitekit.core.inference.Classifier;
import org.tflitekit.core.inference.Engine;
import org.tflitekit.core.inference.EngineFactory;
import org.tflitekit.core.inference.LiteRtCEngine;
import org.tflitekit.core.inference.Outputs;

/**
 * From an image file to labels on the real runtime: every golden sample of a bundle, on every variant, gives what
 * Python gave. The bundle and the library come from the Python test.
 */
public class RealBundleTest {
    private Bundle bundle;
    private EngineFactory engines;

    @Before
    public void open() throws Exception {
        String folder = System.getProperty("tflitekit.bundle");
        String library = System.getProperty("tflitekit.litert.library");
        assumeNotNull(folder, library);
        bundle = Bundle.read(new BundleFolder(new File(folder)));
        engines = new LiteRtCEngine.Factory(library, System.getProperty("tflitekit.litert.version"));
    }

    @Test
    public void everyStepEqualsTheHost() throws Exception {
        assumeTrue("only images are prepared", bundle.takesImages());
        ImageDecoder decoder = new ImageIoDecoder();
        float largest = 0;
        for (Variant variant : bundle.variants) {
            Engine engine = engines.open(bundle, variant, "cpu", 1);
            try (Classifier classifier = new Classifier(bundle, variant, engine)) {
                TensorSpec input = variant.inputs.get(0);
                Preprocessor preprocessor = new Preprocessor(bundle.preprocessing, input);
                for (GoldenSample sample : bundle.golden) {
                    String name = variant.name + " " + sample.name;
                    GoldenResult golden = sample.result(variant);
                    PixelSource image = decoder.decode(bundle.bytes(sample.image));
                    byte[] pixels = preprocessor.pixels(image);
                    assertArrayEquals(name, bundle.bytes(sample.pixels), pixels);
                    preprocessor.fill(pixels, engine.input(0));
                    assertArrayEquals(name, bundle.bytes(golden.inputs.get(0)), bytes(engine.input(0)));
                    Classification result = classifier.classify(image);
                    for (int i = 0; i < variant.outputs.size(); i++) {
                        byte[] expected = bundle.bytes(golden.outputs.get(i));
                        largest = Math.max(largest, difference(variant.outputs.get(i), expected, engine.output(i)));
                        assertArrayEquals(name, expected, bytes(engine.output(i)));
                    }
                    assertEquals(name, golden.topCount(), bundle.classifies() ? result.count : 0);
                    for (int place = 0; place < golden.topCount(); place++) {
                        assertEquals(name, golden.topIndex(place), result.indices[place]);
                        assertEquals(name, golden.topScore(place), result.scores[place], 0f);
                    }
                }
            }
        }
        System.out.println("golden samples: " + bundle.golden.size() + ", variants: " + bundle.variants.size()
                + ", largest difference of outputs: " + largest);
    }

    @Test
    public void verificationPassesOnBothKernels() throws Exception {
        Verification result = new Verifier(bundle, engines, new ImageIoDecoder())
                .verify(engines.accelerators(), 1, null);
        String file = System.getProperty("tflitekit.verification");
        if (file != null) {
            try (Writer writer = new OutputStreamWriter(new FileOutputStream(file), StandardCharsets.UTF_8)) {
                writer.write(result.toJson().toString(2));
            }
        }
        assertTrue(result.summary(), result.passed());
        assertEquals(2 * bundle.variants.size(), result.runs.size());
    }

    @Test
    public void moreThreadsStayWithinTheTolerance() throws Exception {
        Verification result =
                new Verifier(bundle, engines, new ImageIoDecoder()).verify(Collections.singletonList("cpu"), 2, null);
        assertTrue(result.summary(), result.passed());
    }

    private static float difference(TensorSpec spec, byte[] expected, ByteBuffer actual) {
        float[] real = new float[actual.capacity()];
        float[] other = new float[actual.capacity()];
        Outputs.dequantize(
                ByteBuffer.wrap(expected).order(ByteOrder.LITTLE_ENDIAN), spec, real);
        Outputs.dequantize(actual, spec, other);
        return (float) Differences.real(real, other, real.length);
    }

    private static byte[] bytes(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.capacity()];
        ((ByteBuffer) buffer.duplicate().rewind()).get(bytes);
        return bytes;
    }
}
