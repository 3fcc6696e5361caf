package org.tflitekit.demo.device;

import android.annotation.TargetApi;
import android.app.ActivityManager;
import android.content.Context;
import android.content.Intent;
import android.content.IntentFilter;
import android.os.BatteryManager;
import android.os.Build;
import android.os.PowerManager;
import java.io.BufferedReader;
import java.io.FileReader;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import org.json.JSONException;
import org.json.JSONObject;
import org.tflitekit.core.benchmark.BatteryState;
import org.tflitekit.core.benchmark.DeviceProbe;
import org.tflitekit.core.benchmark.DeviceState;

/** What Android says of the device. */
public final class AndroidDeviceProbe implements DeviceProbe {
    private final Context context;

    public AndroidDeviceProbe(Context context) {
        this.context = context;
    }

    @Override
    public String name() {
        String model = Build.MODEL == null ? "Android device" : Build.MODEL;
        String maker = Build.MANUFACTURER == null ? "" : Build.MANUFACTURER;
        if (!maker.isEmpty() && !model.toLowerCase(Locale.ROOT).startsWith(maker.toLowerCase(Locale.ROOT))) {
            model = maker.substring(0, 1).toUpperCase(Locale.ROOT) + maker.substring(1) + " " + model;
        }
        return model + " (Android " + Build.VERSION.RELEASE + ")";
    }

    @Override
    public JSONObject machine() {
        ActivityManager.MemoryInfo memory = new ActivityManager.MemoryInfo();
        ActivityManager manager = (ActivityManager) context.getSystemService(Context.ACTIVITY_SERVICE);
        if (manager != null) {
            manager.getMemoryInfo(memory);
        }
        try {
            return new JSONObject()
                    .put("system", "Android " + Build.VERSION.RELEASE + " (API " + Build.VERSION.SDK_INT + ")")
                    .put("architecture", Build.SUPPORTED_ABIS.length > 0 ? Build.SUPPORTED_ABIS[0] : "")
                    .put("cpu", processor())
                    .put("cores", Runtime.getRuntime().availableProcessors())
                    .put("memory_bytes", memory.totalMem)
                    .put("kernel_features", kernelFeatures())
                    .put("device", name());
        } catch (JSONException error) {
            throw new IllegalStateException(error); // only numbers that are none are refused
        }
    }

    @Override
    public DeviceState state() {
        Intent battery = context.registerReceiver(null, new IntentFilter(Intent.ACTION_BATTERY_CHANGED));
        PowerManager power = (PowerManager) context.getSystemService(Context.POWER_SERVICE);
        int percent = DeviceState.UNKNOWN;
        double celsius = Double.NaN;
        Boolean charging = null;
        if (battery != null) {
            int level = battery.getIntExtra(BatteryManager.EXTRA_LEVEL, -1);
            int scale = battery.getIntExtra(BatteryManager.EXTRA_SCALE, -1);
            percent = level >= 0 && scale > 0 ? Math.round(100f * level / scale) : DeviceState.UNKNOWN;
            int tenths = battery.getIntExtra(BatteryManager.EXTRA_TEMPERATURE, Integer.MIN_VALUE);
            celsius = tenths == Integer.MIN_VALUE ? Double.NaN : tenths / 10.0;
            int status = battery.getIntExtra(BatteryManager.EXTRA_STATUS, -1);
            charging = status < 0 ? null
                    : (Boolean) (status == BatteryManager.BATTERY_STATUS_CHARGING
                            || status == BatteryManager.BATTERY_STATUS_FULL);
        }
        int thermal = power != null && Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q ? thermalStatus(power)
                : DeviceState.UNKNOWN;
        return new DeviceState(thermal, percent, celsius, charging, power == null ? null : power.isPowerSaveMode());
    }

    @Override
    public BatteryState battery() {
        Intent told = context.registerReceiver(null, new IntentFilter(Intent.ACTION_BATTERY_CHANGED));
        BatteryManager meters = (BatteryManager) context.getSystemService(Context.BATTERY_SERVICE);
        int plugged = told == null ? -1 : told.getIntExtra(BatteryManager.EXTRA_PLUGGED, -1);
        int volts = told == null ? -1 : told.getIntExtra(BatteryManager.EXTRA_VOLTAGE, -1);
        return new BatteryState(plugged < 0 ? null : (Boolean) (plugged != 0),
                volts < 0 ? BatteryState.UNKNOWN : volts,
                meter(meters, BatteryManager.BATTERY_PROPERTY_CURRENT_NOW),
                meter(meters, BatteryManager.BATTERY_PROPERTY_CHARGE_COUNTER),
                meter(meters, BatteryManager.BATTERY_PROPERTY_ENERGY_COUNTER));
    }

    /** The long form has one value for meters that are not there; the other has two, by the app's target. */
    private static long meter(BatteryManager meters, int property) {
        return meters == null ? BatteryState.UNKNOWN : meters.getLongProperty(property);
    }

    @TargetApi(29)
    private static int thermalStatus(PowerManager power) {
        return power.getCurrentThermalStatus();
    }

    private static String processor() {
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.S) {
            String named = chip();
            if (named != null) {
                return named;
            }
        }
        String hardware = cpuinfo("Hardware");
        return hardware != null ? hardware : Build.HARDWARE;
    }

    @TargetApi(31)
    private static String chip() {
        String maker = Build.SOC_MANUFACTURER;
        String model = Build.SOC_MODEL;
        return Build.UNKNOWN.equals(model) ? null : Build.UNKNOWN.equals(maker) ? model : maker + " " + model;
    }

    /** The names of the host's report: see tflitekit/core/machine.py. */
    private static JSONObject kernelFeatures() throws JSONException {
        JSONObject features = new JSONObject();
        String line = cpuinfo("Features");
        if (line == null) {
            return features;
        }
        Set<String> flags = new HashSet<String>(Arrays.asList(line.split("\\s+")));
        return features
                .put("NEON", flags.contains("asimd") || flags.contains("neon"))
                .put("dot product (int8)", flags.contains("asimddp"))
                .put("i8mm (int8)", flags.contains("i8mm"))
                .put("fp16", flags.contains("fphp"));
    }

    /** Returns the first line of that name in /proc/cpuinfo; null where there is none. */
    private static String cpuinfo(String name) {
        try (BufferedReader reader = new BufferedReader(new FileReader("/proc/cpuinfo"))) {
            for (String line = reader.readLine(); line != null; line = reader.readLine()) {
                int colon = line.indexOf(':');
                if (colon > 0 && line.substring(0, colon).trim().equals(name)) {
                    return line.substring(colon + 1).trim();
                }
            }
        } catch (IOException error) {
            return null;
        }
        return null;
    }
}
