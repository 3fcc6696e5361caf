package org.tflitekit.demo;

import static org.junit.Assert.assertTrue;

import android.content.Intent;
import android.graphics.Bitmap;
import android.os.BatteryManager;
import android.view.View;
import android.widget.ScrollView;
import java.io.File;
import java.io.FileOutputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.util.HashSet;
import java.util.Set;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.util.ReflectionHelpers;
import org.tflitekit.core.bundle.Bundle;

/** Every screen, drawn light and dark with real results; -Dtflitekit.screens=FOLDER keeps the pictures. */
@RunWith(RobolectricTestRunner.class)
public class PicturesTest {
    private HostServices services;

    @Before
    public void open() {
        services = HostServices.install();
        ReflectionHelpers.setStaticField(android.os.Build.class, "MANUFACTURER", "Robolectric");
        ReflectionHelpers.setStaticField(android.os.Build.class, "MODEL", "on the JVM");
        RuntimeEnvironment.getApplication().sendStickyBroadcast(new Intent(Intent.ACTION_BATTERY_CHANGED)
                .putExtra(BatteryManager.EXTRA_LEVEL, 87)
                .putExtra(BatteryManager.EXTRA_SCALE, 100)
                .putExtra(BatteryManager.EXTRA_TEMPERATURE, 263)
                .putExtra(BatteryManager.EXTRA_STATUS, BatteryManager.BATTERY_STATUS_DISCHARGING));
    }

    private static void draw(Screen<?> screen, String name) throws Exception {
        for (View view : screen.visible(view -> view instanceof ScrollView)) {
            view.setVerticalScrollBarEnabled(false); // it would fade
        }
        Bitmap bitmap = screen.picture();
        Set<Integer> colours = new HashSet<>();
        for (int y = 0; y < bitmap.getHeight(); y += 7) {
            for (int x = 0; x < bitmap.getWidth(); x += 7) {
                colours.add(bitmap.getPixel(x, y));
            }
        }
        assertTrue(name + " is empty", colours.size() > 20);
        String folder = System.getProperty("tflitekit.screens");
        if (folder != null) {
            File file = new File(folder, name + ".png");
            Files.createDirectories(file.getParentFile().toPath());
            try (OutputStream out = new FileOutputStream(file)) {
                assertTrue(bitmap.compress(Bitmap.CompressFormat.PNG, 100, out));
            }
        }
    }

    private static void drawLightAndDark(Screen<?> screen, String name) throws Exception {
        draw(screen, name);
        screen.change("night");
        draw(screen, name + "-dark");
    }

    @Test
    public void classify() throws Exception {
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class)) {
            screen.awaitText("Runs on: CPU");
            ClassifyTest.drawZero(screen.find(R.id.drawing));
            screen.awaitText("Inference");
            drawLightAndDark(screen, "classify");
        }
    }

    private Screen<ClassifyActivity> photo(String task) throws Exception {
        Bundle bundle = FoundTest.use(services, task);
        Intent intent = ClassifyTest.share(bundle.bytes(bundle.golden.get(0).original));
        Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class, intent);
        screen.awaitText("Inference");
        return screen;
    }

    @Test
    public void detection() throws Exception {
        try (Screen<ClassifyActivity> screen = photo("detection")) {
            draw(screen, "detection");
        }
    }

    @Test
    public void segmentation() throws Exception {
        try (Screen<ClassifyActivity> screen = photo("segmentation")) {
            screen.change("night");
            draw(screen, "segmentation-dark");
        }
    }

    @Test
    public void verify() throws Exception {
        try (Screen<VerifyActivity> screen = Screen.open(VerifyActivity.class)) {
            screen.await("start", () -> screen.find(R.id.start).isEnabled());
            WorkTest.check(screen, "CPU without XNNPACK", true);
            screen.click(R.id.start);
            screen.awaitText("Runs as on the host: 4 of 4");
            drawLightAndDark(screen, "verify");
        }
    }

    @Test
    public void benchmark() throws Exception {
        try (Screen<BenchActivity> screen = Screen.open(BenchActivity.class)) {
            screen.await("start", () -> screen.find(R.id.start).isEnabled());
            screen.choose(R.string.protocol, "benchmark-model");
            screen.click(R.id.start);
            screen.awaitText("Measured on: Robolectric on the JVM (Android 15)");
            assertTrue(screen.toString(), screen.shows("Battery: 87 %, 26.3 °C, not charging"));
            drawLightAndDark(screen, "benchmark");
        }
    }

    @Test
    public void model() throws Exception {
        try (Screen<ModelActivity> screen = Screen.open(ModelActivity.class)) {
            screen.awaitText("Recommended");
            draw(screen, "model");
        }
    }
}
