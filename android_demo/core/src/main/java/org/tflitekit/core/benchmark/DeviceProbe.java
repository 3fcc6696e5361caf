package org.tflitekit.core.benchmark;

import org.json.JSONObject;

/** What the device says of itself. */
public interface DeviceProbe {
    /** Returns what people call the device, with its system: "Pixel 8 (Android 15)". Reports name it "android:NAME". */
    String name();

    /**
     * Returns what does not change: {@code system}, {@code architecture}, {@code cpu}, {@code cores},
     * {@code memory_bytes}, {@code kernel_features} (names of CPU features to true or false; empty where they are not
     * known) and {@code device}.
     */
    JSONObject machine();

    /** Returns what may change while something is measured. Cheap: asked after every round. */
    DeviceState state();

    /** Returns what the battery's meters say; asked about once a second while a model is under load for minutes. */
    BatteryState battery();
}
