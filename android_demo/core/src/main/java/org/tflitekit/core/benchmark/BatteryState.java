package org.tflitekit.core.benchmark;

import org.json.JSONException;
import org.json.JSONObject;

/** What the battery's meters say at one moment, as Android passes it on: raw, since units and signs differ by maker. */
public final class BatteryState {
    /** A meter that the device does not have. */
    public static final long UNKNOWN = Long.MIN_VALUE;

    /** Whether a cable feeds the device; null where that is not known. */
    public final Boolean plugged;
    public final long milliVolts;
    /** Current at this moment, and the charge and the energy that are left. */
    public final long microAmperes;
    public final long microAmpereHours;
    public final long nanoWattHours;

    public BatteryState(Boolean plugged, long milliVolts, long microAmperes, long microAmpereHours, long nanoWattHours) {
        this.plugged = plugged;
        this.milliVolts = milliVolts;
        this.microAmperes = microAmperes;
        this.microAmpereHours = microAmpereHours;
        this.nanoWattHours = nanoWattHours;
    }

    JSONObject toJson() throws JSONException {
        return new JSONObject()
                .put("plugged", Json.orNull(plugged))
                .put("voltage_mv", known(milliVolts))
                .put("current_ua", known(microAmperes))
                .put("charge_uah", known(microAmpereHours))
                .put("energy_nwh", known(nanoWattHours));
    }

    private static Object known(long value) {
        return value == UNKNOWN ? JSONObject.NULL : (Object) value;
    }
}
