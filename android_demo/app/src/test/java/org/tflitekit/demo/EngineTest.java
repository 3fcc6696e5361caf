package org.tflitekit.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.util.Arrays;
import java.util.Collections;
import java.util.Locale;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.tensorflow.lite.DesktopRuntime;
import org.tensorflow.lite.TensorFlowLite;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.core.inference.Engine;
import org.tflitekit.core.inference.EngineException;
import org.tflitekit.core.verify.ImageCheck;
import org.tflitekit.core.verify.RunCheck;
import org.tflitekit.core.verify.Verdict;
import org.tflitekit.core.verify.Verification;
import org.tflitekit.core.verify.Verifier;
import org.tflitekit.demo.device.Services;

/** The app's own engine on the real interpreter of TensorFlow Lite, which is old on the desktop: 2.6.2. */
@RunWith(RobolectricTestRunner.class)
public class EngineTest {
    private Services services;
    private Bundle bundle;

    @Before
    public void open() throws Exception {
        DesktopRuntime.load();
        services = ((DemoApplication) RuntimeEnvironment.getApplication()).services();
        bundle = Bundle.read(services.bundleFiles(null));
    }

    @Test
    public void goldenSamplesOfAFloatModelGiveWhatTheHostGot() {
        Verification result = new Verifier(bundle, services.engines(), services.decoder())
                .verify(Arrays.asList("cpu", "cpu_builtin"), 2, null);
        for (ImageCheck image : result.images) {
            assertEquals(image.sample + ": " + image.message, 0, image.pixelDifference);
            assertEquals(Verdict.PASSED, image.verdict);
        }
        int judged = 0;
        for (RunCheck run : result.runs) {
            if ("float32".equals(run.variant)) {
                assertEquals(run.message, Verdict.PASSED, run.verdict);
                assertEquals(run.requestedAccelerator, run.actualAccelerator);
                assertTrue(run.worst.difference <= 1e-5);
                assertEquals(bundle.golden.size(), run.samples.size());
                judged++;
            }
        }
        assertEquals(2, judged);
    }

    /** This runtime would run it without an error, and answer wrongly. */
    @Test
    public void aVariantForNewerRuntimesIsRefused() throws Exception {
        assertEquals("2.6.2", TensorFlowLite.runtimeVersion());
        assertEquals("2.6.2", services.engines().runtimeVersion());
        BundleException refused = assertThrows(BundleException.class,
                () -> services.engines().open(bundle, bundle.variant("int8"), "cpu", 1));
        assertTrue(refused.getMessage(), refused.getMessage().contains("2.14.0"));
        assertTrue(refused.getMessage(), refused.getMessage().contains("2.6.2"));
        RunCheck run = new Verifier(bundle, services.engines(), services.decoder())
                .verify(Collections.singletonList("cpu"), 1, null).runs.get(bundle.variants.indexOf(bundle.variant("int8")));
        assertEquals(Verdict.ERROR, run.verdict);
        assertEquals(refused.getMessage(), run.message);
    }

    /** There is no GPU delegate on the desktop. */
    @Test
    public void acceleratorsThatAreNotThereAreRefusedInWords() throws Exception {
        Variant variant = bundle.variant("float32");
        assertTrue(services.engines().accelerators().containsAll(Arrays.asList("cpu", "cpu_builtin", "gpu", "nnapi")));
        for (String accelerator : new String[] {"gpu", "tpu"}) {
            EngineException refused = assertThrows(accelerator, EngineException.class,
                    () -> services.engines().open(bundle, variant, accelerator, 1));
            String message = refused.getMessage();
            assertTrue(message, message.toLowerCase(Locale.ROOT).contains(accelerator));
            assertTrue(message, message.contains("Choose"));
            assertFalse(message, message.contains("Error") || message.contains("java."));
        }
    }

    /** The desktop has the delegate, but no NNAPI behind it: the interpreter keeps all operators without a word. */
    @Test
    public void aDelegateThatTakesNothingIsNotWhatRuns() throws Exception {
        Variant variant = bundle.variant("float32");
        try (Engine engine = services.engines().open(bundle, variant, "nnapi", 1)) {
            engine.invoke();
            assertEquals("nnapi", engine.requestedAccelerator());
            assertEquals("cpu_builtin", engine.actualAccelerator());
            String detail = engine.accelerationDetail();
            assertTrue(detail, detail.contains("took no operator") && detail.contains(variant.operators + " operators"));
        }
    }

    @Test
    public void threadsAndKernelsAreWhatWasAskedFor() throws Exception {
        Variant variant = bundle.variant("float32");
        for (String accelerator : new String[] {"cpu", "cpu_builtin"}) {
            for (int threads : new int[] {1, 2, 4}) {
                try (Engine engine = services.engines().open(bundle, variant, accelerator, threads)) {
                    assertEquals(accelerator, engine.actualAccelerator());
                    assertEquals(threads, engine.threads());
                    assertTrue(engine.input(0) == engine.input(0) && engine.input(0).isDirect());
                    assertTrue(engine.output(0) == engine.output(0) && engine.output(0).isDirect());
                    engine.invoke();
                }
            }
        }
    }

    @Test
    public void closingTwiceIsHarmless() throws Exception {
        Engine engine = services.engines().open(bundle, bundle.variant("float32"), "cpu", 1);
        engine.close();
        engine.close();
    }
}
