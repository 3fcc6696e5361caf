package org.tflitekit.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.content.Intent;
import android.view.View;
import android.widget.CheckBox;
import android.widget.TextView;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardCopyOption;
import java.util.List;
import org.json.JSONArray;
import org.json.JSONObject;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.tflitekit.core.bundle.Bundle;

/** The verify and benchmark screens, by hand and by intent, on the host's runtime. */
@RunWith(RobolectricTestRunner.class)
public class WorkTest {
    private Bundle bundle;

    @Before
    public void open() throws Exception {
        HostServices.install();
        bundle = BundleCopy.read();
    }

    private static Intent intent(Class<?> type, String runId) {
        return new Intent(RuntimeEnvironment.getApplication(), type).putExtra("run_id", runId);
    }

    private static Path file(String runId, String name) {
        return new File(RuntimeEnvironment.getApplication().getExternalFilesDir("runs"), runId).toPath().resolve(name);
    }

    private static String read(Path path) {
        try {
            return new String(Files.readAllBytes(path), StandardCharsets.UTF_8);
        } catch (IOException error) {
            throw new AssertionError(error);
        }
    }

    /** Leaves a result for the Python test that started this one. */
    private static void keep(Path result) throws IOException {
        String folder = System.getProperty("tflitekit.results");
        if (folder != null) {
            Files.createDirectories(Paths.get(folder));
            Files.copy(result, Paths.get(folder).resolve(result.getFileName().toString()), StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /** Returns verdict and text of a check that is shown; empty where there is none of that name. */
    static String row(Screen<?> screen, String name) {
        List<View> names = screen.visible(
                view -> view.getId() == R.id.check_name && name.contentEquals(((TextView) view).getText()));
        if (names.isEmpty()) {
            return "";
        }
        View row = names.get(0);
        while (row.findViewById(R.id.check_verdict) == null || row.findViewById(R.id.check_text) == null) {
            row = (View) row.getParent();
        }
        return ((TextView) row.findViewById(R.id.check_verdict)).getText() + ": "
                + ((TextView) row.findViewById(R.id.check_text)).getText();
    }

    static void check(Screen<?> screen, String name, boolean wanted) {
        CheckBox box = (CheckBox) screen.visible(
                view -> view instanceof CheckBox && name.contentEquals(((CheckBox) view).getText())).get(0);
        if (box.isChecked() != wanted) {
            screen.click(box);
        }
    }

    @Test
    public void verifyIsGreenForTheCpuWithTheExactDifferences() {
        try (Screen<VerifyActivity> screen = Screen.open(VerifyActivity.class)) {
            screen.await("start", () -> screen.find(R.id.start).isEnabled());
            screen.click(R.id.start);
            screen.awaitText("Runs as on the host: 2 of 2");
            assertTrue(screen.shows("8 of 8 images are identical to the host's"));
            assertEquals("Passed: Exactly as on the host", row(screen, "int8 on CPU"));
            assertEquals("Passed: Exactly as on the host", row(screen, "float32 on CPU"));
            for (String word : new String[] {"Failed", "Could not run", "Not judged"}) {
                assertFalse(screen.toString(), screen.shows(word));
            }
            assertFalse(screen.shows("0000: Passed"));
            screen.click("int8 on CPU");
            assertTrue(screen.toString(), screen.shows("0000: Passed"));
            screen.change("land");
            assertTrue("The result is lost.", screen.shows("Runs as on the host: 2 of 2"));
            screen.click(R.id.share);
            Intent chooser = shadowOf(screen.activity()).getNextStartedActivity();
            assertEquals(Intent.ACTION_CHOOSER, chooser.getAction());
        }
    }

    @Test
    public void verifyIsRedWhereAnOutputIsNotTheHosts() throws Exception {
        File storage = RuntimeEnvironment.getApplication().getExternalFilesDir("bundles");
        BundleCopy copy = BundleCopy.into(new File(storage, "other"));
        Path output = copy.path("golden/0002/int8.output-0.bin");
        byte[] content = Files.readAllBytes(output);
        ByteBuffer values = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN); // this int8 model gives floats
        values.putFloat(4, values.getFloat(4) + 0.25f);
        copy.replace("golden/0002/int8.output-0.bin", content);
        Intent intent = intent(VerifyActivity.class, "red").putExtra("bundle", "other");
        try (Screen<VerifyActivity> screen = Screen.open(VerifyActivity.class, intent)) {
            screen.awaitText("Runs as on the host: 1 of 2");
            assertEquals("Failed: Largest difference: 0.250 (allowed: 0)", row(screen, "int8 on CPU"));
            assertEquals("Passed: Exactly as on the host", row(screen, "float32 on CPU"));
            assertEquals(RuntimeEnvironment.getApplication().getColor(R.color.fail), ((TextView)
                    screen.visible(view -> view.getId() == R.id.check_verdict).get(2)).getCurrentTextColor());
        }
        JSONObject result = new JSONObject(read(file("red", "verification.json")));
        assertFalse(result.getBoolean("passed"));
    }

    @Test
    public void anIntentWithoutAnAcceleratorFailsInItsFolder() throws Exception {
        Intent intent = intent(VerifyActivity.class, "none").putExtra("accelerators", " , ");
        try (Screen<VerifyActivity> screen = Screen.open(VerifyActivity.class, intent)) {
            screen.await("the mark", () -> Files.exists(file("none", "failed")));
            assertTrue(read(file("none", "failed")), read(file("none", "failed")).contains("No accelerator was named"));
        }
    }

    @Test
    public void verifyByIntentLeavesItsResult() throws Exception {
        Intent intent = intent(VerifyActivity.class, "v1").putExtra("accelerators", "cpu,cpu_builtin,gpu,nnapi");
        try (Screen<VerifyActivity> screen = Screen.open(VerifyActivity.class, intent)) {
            screen.await("the mark", () -> Files.exists(file("v1", "done")));
            screen.awaitText("GPU");
            assertTrue(screen.toString(), screen.shows("Could not run"));
        }
        JSONArray runs = new JSONObject(read(file("v1", "verification.json"))).getJSONArray("runs");
        assertEquals(4 * bundle.variants.size(), runs.length());
        try (Screen<VerifyActivity> screen = Screen.open(VerifyActivity.class, intent(VerifyActivity.class, "v2"))) {
            screen.await("the mark", () -> Files.exists(file("v2", "done")));
        }
        keep(file("v2", "verification.json"));
    }

    @Test
    public void nothingChosenIsSaid() {
        try (Screen<VerifyActivity> screen = Screen.open(VerifyActivity.class)) {
            screen.await("start", () -> screen.find(R.id.start).isEnabled());
            check(screen, "CPU", false);
            screen.click(R.id.start);
            assertEquals("Choose at least one accelerator.", screen.problem());
            check(screen, "CPU", true);
            screen.click(R.id.start);
            screen.awaitText("Runs as on the host: 2 of 2");
            assertEquals("", screen.problem());
        }
    }

    @Test
    public void turningThePhoneKeepsWhatIsChosen() {
        try (Screen<VerifyActivity> screen = Screen.open(VerifyActivity.class)) {
            check(screen, "CPU without XNNPACK", true);
            check(screen, "CPU", false);
            screen.change("land");
            assertEquals(1, screen.visible(view -> view instanceof CheckBox && ((CheckBox) view).isChecked()).size());
        }
    }

    @Test
    public void aBenchmarkByIntentIsAReportWithAMark() throws Exception {
        Intent intent = intent(BenchActivity.class, "b1").putExtra("threads", 2).putExtra("protocol", "benchmark-model");
        try (Screen<BenchActivity> screen = Screen.open(BenchActivity.class, intent)) {
            screen.await("the mark", () -> Files.exists(file("b1", "done")));
            screen.awaitText("Measured on:");
            for (String shown : new String[] {"int8", "float32", "Median", "p90", "p99", "Runs on: CPU (XNNPACK)", "Before: "}) {
                assertTrue(shown, screen.shows(shown));
            }
            screen.change("land");
            assertTrue("The result is lost.", screen.shows("Measured on:"));
        }
        JSONObject report = new JSONObject(read(file("b1", "report.json")));
        assertEquals(bundle.variants.size(), report.getJSONArray("variants").length());
        keep(file("b1", "report.json"));
    }

    @Test
    public void anIntentAsksForRunsAndForLoadOverMinutes() throws Exception {
        Intent intent = intent(BenchActivity.class, "load").putExtra("variants", "int8").putExtra("runs", 30)
                .putExtra("seed", 5L).putExtra("sustained_minutes", 0.01f);
        try (Screen<BenchActivity> screen = Screen.open(BenchActivity.class, intent)) {
            screen.await("the progress", () -> Files.exists(file("load", "progress")));
            screen.await("the mark", () -> Files.exists(file("load", "done")));
        }
        JSONObject row = new JSONObject(read(file("load", "report.json"))).getJSONArray("variants").getJSONObject(0);
        assertEquals("quick, 30 runs", row.getJSONObject("latency").getString("protocol"));
        assertTrue(row.getJSONObject("sustained").getJSONArray("states").length() > 2);
    }

    @Test
    public void aBenchmarkThatCannotRunLeavesItsReason() {
        String[][] wrong = {{"variants", "int4"}, {"protocol", "thorough"}, {"accelerator", "gpu"}, {"bundle", "none"}};
        for (String[] extra : wrong) {
            String id = "failed-" + extra[0];
            Intent intent = intent(BenchActivity.class, id).putExtra(extra[0], extra[1]);
            try (Screen<BenchActivity> screen = Screen.open(BenchActivity.class, intent)) {
                screen.await("the mark", () -> Files.exists(file(id, "failed")));
                assertFalse(Files.exists(file(id, "done")));
                String reason = read(file(id, "failed"));
                assertTrue(reason, reason.split(" ").length > 4);
                screen.awaitText(reason.trim());
            }
        }
    }

    @Test
    public void aBenchmarkIsStoppedByHand() {
        try (Screen<BenchActivity> screen = Screen.open(BenchActivity.class)) {
            screen.await("start", () -> screen.find(R.id.start).isEnabled());
            screen.click(R.id.start);
            screen.await("that it runs", () -> "Cancel".equals(screen.text(R.id.start)));
            screen.click(R.id.start);
            screen.await("that it stopped", () -> "Measure".equals(screen.text(R.id.start)));
            assertTrue(screen.problem(), screen.problem().contains("stopped"));
            assertFalse(screen.shows("Measured on:"));
        }
    }

    @Test
    public void onlyChosenVariantsAreMeasured() {
        try (Screen<BenchActivity> screen = Screen.open(BenchActivity.class)) {
            screen.await("start", () -> screen.find(R.id.start).isEnabled());
            check(screen, "int8", false);
            check(screen, "float32", false);
            screen.click(R.id.start);
            assertEquals("Choose at least one variant.", screen.problem());
            check(screen, "float32", true);
            screen.choose(R.string.protocol, "benchmark-model");
            screen.click(R.id.start);
            screen.awaitText("Measured on:");
            assertEquals(1, screen.visible(view -> view.getId() == R.id.measured_variant).size());
        }
    }

    @Test
    public void theModelScreenSaysWhatTheBundleHolds() {
        try (Screen<ModelActivity> screen = Screen.open(ModelActivity.class)) {
            screen.awaitText(bundle.name);
            for (String shown : new String[] {"int8 · Recommended", "float32", "zero, one, two", "Accuracy", "2.14.0"}) {
                assertTrue(shown + " in " + screen, screen.shows(shown));
            }
        }
    }

    @Test
    public void theNavigationLeadsToEveryScreen() {
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class)) {
            String[] names = {"Verify", "Benchmark", "Model"};
            Class<?>[] screens = {VerifyActivity.class, BenchActivity.class, ModelActivity.class};
            for (int i = 0; i < names.length; i++) {
                screen.click(names[i]);
                Intent next = shadowOf(screen.activity()).getNextStartedActivity();
                assertEquals(screens[i].getName(), next.getComponent().getClassName());
            }
        }
    }
}
