package org.tflitekit.core.benchmark;

import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/** What a device says of its heat and its battery at one moment. */
public final class DeviceState {
    /** A thermal status or a battery level that the device does not tell. */
    public static final int UNKNOWN = -1;

    /** What reports have of boards, and a phone does not tell. */
    private static final String[] OF_BOARDS = {
        "cpu_celsius", "cpu_mhz", "cpu_max_mhz", "load", "throttled", "throttled_since_start"
    };
    private static final String[] THERMAL = {
        "none", "light", "moderate", "severe", "critical", "emergency", "shutdown"
    };

    /** As of Android's PowerManager: 0 is none, 1 light, 2 moderate throttling, up to 6; or {@link #UNKNOWN}. */
    public final int thermalStatus;
    /** 0 to 100, or {@link #UNKNOWN}. */
    public final int batteryPercent;
    /** Temperature of the battery; NaN where it is not known. */
    public final double batteryCelsius;
    /** Whether the battery is being charged; null where that is not known. */
    public final Boolean charging;
    /** Whether the device saves power, which slows it down; null where that is not known. */
    public final Boolean powerSave;

    public DeviceState(int thermalStatus, int batteryPercent, double batteryCelsius, Boolean charging,
            Boolean powerSave) {
        this.thermalStatus = thermalStatus;
        this.batteryPercent = batteryPercent;
        this.batteryCelsius = batteryCelsius;
        this.charging = charging;
        this.powerSave = powerSave;
    }

    /** Returns Android's word for a thermal status; null where it is not known. */
    public static String thermalName(int status) {
        return status >= 0 && status < THERMAL.length ? THERMAL[status] : null;
    }

    JSONObject toJson() throws JSONException {
        JSONObject found = new JSONObject()
                .put("thermal_status", Json.orNull(thermalName(thermalStatus)))
                .put("battery_percent", batteryPercent == UNKNOWN ? JSONObject.NULL : batteryPercent)
                .put("battery_celsius", Json.number(batteryCelsius))
                .put("charging", Json.orNull(charging))
                .put("power_save", Json.orNull(powerSave))
                .put("governors", new JSONArray());
        for (String name : OF_BOARDS) {
            found.put(name, JSONObject.NULL);
        }
        return found;
    }
}
