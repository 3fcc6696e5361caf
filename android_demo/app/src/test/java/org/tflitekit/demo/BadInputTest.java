package org.tflitekit.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import android.content.Intent;
import android.graphics.Bitmap;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.nio.file.Files;
import java.util.Arrays;
import org.json.JSONArray;
import org.json.JSONObject;
import org.junit.Before;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.demo.ui.ScreenActivity;

/** Damaged bundles and images: said in words on every screen, and the app goes on. */
@RunWith(RobolectricTestRunner.class)
public class BadInputTest {
    @Rule
    public final TemporaryFolder folders = new TemporaryFolder();

    private HostServices services;
    private BundleCopy copy;

    @Before
    public void open() throws Exception {
        services = HostServices.install();
        copy = BundleCopy.into(folders.newFolder());
        services.bundle = copy.folder;
    }

    private static JSONObject variant(JSONObject description, String name) throws org.json.JSONException {
        JSONArray variants = description.getJSONArray("variants");
        for (int i = 0; i < variants.length(); i++) {
            if (name.equals(variants.getJSONObject(i).getString("name"))) {
                return variants.getJSONObject(i);
            }
        }
        throw new AssertionError(name);
    }

    /** The bundle cannot be used at all: each screen says why, with what to do, and offers nothing to start. */
    private static void refusedEverywhere(String... parts) {
        for (Class<? extends ScreenActivity<?>> type : Arrays.<Class<? extends ScreenActivity<?>>>asList(
                ClassifyActivity.class, VerifyActivity.class, BenchActivity.class, ModelActivity.class)) {
            try (Screen<?> screen = Screen.open(type)) {
                screen.await(type + " says " + parts[0], () -> screen.problem().contains(parts[0]));
                for (String part : parts) {
                    assertTrue(screen.problem(), screen.problem().contains(part));
                }
                if (screen.activity().findViewById(R.id.start) != null) {
                    assertFalse(screen.find(R.id.start).isEnabled());
                }
                screen.change("land");
                assertTrue("turned: " + screen, screen.problem().contains(parts[0]));
                RuntimeEnvironment.setQualifiers("+port");
            }
        }
    }

    @Test
    public void newerSchema() throws Exception {
        copy.edit(description -> description.put("schema_version", 3));
        refusedEverywhere("schema", "2");
    }

    @Test
    public void labelsThatDoNotFitTheOutput() throws Exception {
        copy.edit(description -> description.put("labels", new JSONArray(Arrays.asList("zero", "one"))));
        refusedEverywhere("labels", "2", "10");
    }

    @Test
    public void aRecommendedVariantThatIsNotThere() throws Exception {
        copy.edit(description -> description.put("recommended", "int4"));
        refusedEverywhere("'int4'", "int8, float32");
    }

    @Test
    public void textThatIsNoJson() throws Exception {
        Files.write(copy.path("bundle.json"), "{\"schema_version\": 1,".getBytes());
        refusedEverywhere("bundle.json");
    }

    @Test
    public void noBundleAtAll() throws Exception {
        Files.delete(copy.path("bundle.json"));
        refusedEverywhere("no readable bundle", "tflitekit bundle");
    }

    /** The other variant runs all the same. */
    private void onlyFloat32Runs(String... parts) {
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class)) {
            screen.await("the refusal", () -> !screen.problem().isEmpty());
            for (String part : parts) {
                assertTrue(screen.problem(), screen.problem().contains(part));
            }
            ((android.widget.Spinner) screen.find(R.id.variant)).setSelection(1);
            screen.awaitText("Runs on: CPU");
            assertEquals("", screen.problem());
        }
        try (Screen<VerifyActivity> screen = Screen.open(VerifyActivity.class)) {
            screen.await("start", () -> screen.find(R.id.start).isEnabled());
            screen.click(R.id.start);
            screen.awaitText("float32 on CPU");
            assertEquals("Passed: Exactly as on the host", WorkTest.row(screen, "float32 on CPU"));
            assertTrue(WorkTest.row(screen, "int8 on CPU").startsWith("Could not run: "));
            for (String part : parts) {
                assertTrue(screen.toString(), screen.shows(part));
            }
        }
    }

    @Test
    public void aModelWithAWrongHash() throws Exception {
        copy.damage("models/int8.tflite");
        onlyFloat32Runs("models/int8.tflite", "not the one that was bundled", "Copy the whole bundle again");
    }

    @Test
    public void aMissingModel() throws Exception {
        Files.delete(copy.path("models/int8.tflite"));
        onlyFloat32Runs("models/int8.tflite", "cannot be read");
    }

    @Test
    public void aModelThatNeedsANewerRuntime() throws Exception {
        copy.edit(description -> variant(description, "int8").put("min_runtime_version", "9.1.0"));
        onlyFloat32Runs("'int8' needs the runtime 9.1.0 or newer", "Choose another variant");
        try (Screen<ModelActivity> screen = Screen.open(ModelActivity.class)) {
            screen.awaitText("Needs runtime 9.1.0: newer than this app's");
        }
    }

    @Test
    public void aFileThatIsNoModel() throws Exception {
        copy.replace("models/int8.tflite", "this is no model".getBytes());
        onlyFloat32Runs("int8");
    }

    @Test
    public void aDamagedGoldenImageIsRedAndTheRestIsChecked() throws Exception {
        copy.damage("golden/0003/original.png");
        try (Screen<VerifyActivity> screen = Screen.open(VerifyActivity.class)) {
            screen.await("start", () -> screen.find(R.id.start).isEnabled());
            screen.click(R.id.start);
            screen.awaitText("7 of 8 images are identical to the host's");
            screen.click("Pixels of the images");
            assertTrue(screen.toString(), screen.shows("golden/0003/original.png"));
        }
    }

    /** Inputs become infinite, so that the real model really gives NaN. */
    @Test
    public void notANumber() throws Exception {
        copy.edit(description -> {
            description.put("recommended", "float32");
            description.getJSONObject("preprocessing").put("divisor", 1e-37);
        });
        Bundle bundle = BundleCopy.read();
        Intent share = ClassifyTest.share(bundle.bytes(bundle.golden.get(0).original));
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class, share)) {
            screen.await("NaN", () -> screen.problem().contains("not numbers (NaN)"));
        }
        try (Screen<VerifyActivity> screen = Screen.open(VerifyActivity.class)) {
            screen.await("start", () -> screen.find(R.id.start).isEnabled());
            screen.click(R.id.start);
            screen.awaitText("float32 on CPU");
            assertTrue(WorkTest.row(screen, "float32 on CPU").startsWith("Failed: "));
        }
    }

    @Test
    public void damagedAndStrangeImages() throws Exception {
        Bundle bundle = BundleCopy.read();
        byte[] good = bundle.bytes(bundle.golden.get(0).original);
        byte[][] damaged = {new byte[0], "no image".getBytes(), Arrays.copyOf(good, 20)};
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class)) {
            screen.awaitText("Runs on: CPU");
            for (byte[] content : damaged) {
                screen.controller().newIntent(ClassifyTest.share(content));
                screen.await("words", () -> screen.problem().contains("Choose another one"));
                assertTrue(screen.toString(), screen.shows("No picture yet"));
                screen.controller().newIntent(ClassifyTest.share(good));
                screen.await("a result", () -> screen.problem().isEmpty() && screen.shows("Inference"));
            }
            Bitmap large = Bitmap.createBitmap(8000, 6000, Bitmap.Config.RGB_565);
            ByteArrayOutputStream file = new ByteArrayOutputStream();
            large.compress(Bitmap.CompressFormat.JPEG, 50, file);
            large.recycle();
            for (byte[] content : new byte[][] {PhotosTest.png(1, 1, 0xFFFFFFFF), file.toByteArray()}) {
                screen.click(R.id.source_draw);
                screen.awaitText("No picture yet");
                screen.controller().newIntent(ClassifyTest.share(content));
                screen.awaitText("Inference");
                assertEquals("", screen.problem());
            }
        }
    }

    @Test
    public void aBundleInStorageThatIsNotThere() {
        Intent intent = new Intent(RuntimeEnvironment.getApplication(), ClassifyActivity.class).putExtra("bundle", "none");
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class, intent)) {
            screen.await("words", () -> screen.problem().contains("'none'"));
            assertTrue(screen.problem(), screen.problem().contains("adb"));
        }
    }

    @Test
    public void aPushedBundleIsUsed() throws Exception {
        File storage = RuntimeEnvironment.getApplication().getExternalFilesDir("bundles");
        BundleCopy.into(new File(storage, "mine")).edit(description -> description.put("name", "of mine"));
        Intent intent = new Intent(RuntimeEnvironment.getApplication(), ModelActivity.class).putExtra("bundle", "mine");
        try (Screen<ModelActivity> screen = Screen.open(ModelActivity.class, intent)) {
            screen.awaitText("of mine");
        }
    }
}
