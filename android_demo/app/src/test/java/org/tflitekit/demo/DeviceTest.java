package org.tflitekit.demo;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.content.Context;
import android.content.Intent;
import android.graphics.Rect;
import android.media.Image;
import android.os.BatteryManager;
import android.os.PowerManager;
import java.nio.ByteBuffer;
import org.json.JSONObject;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.util.ReflectionHelpers;
import org.tflitekit.core.benchmark.BatteryState;
import org.tflitekit.core.benchmark.DeviceProbe;
import org.tflitekit.core.benchmark.DeviceState;
import org.tflitekit.core.image.PixelSource;
import org.tflitekit.demo.camera.FrameConverter;

/** What Android tells of the device, and frames of its camera. */
@RunWith(RobolectricTestRunner.class)
public class DeviceTest {
    private Context context;
    private DeviceProbe device;

    @Before
    public void open() {
        context = RuntimeEnvironment.getApplication();
        device = ((DemoApplication) context).services().device();
    }

    @Test
    public void stateIsWhatAndroidSays() {
        Intent battery = new Intent(Intent.ACTION_BATTERY_CHANGED)
                .putExtra(BatteryManager.EXTRA_LEVEL, 150)
                .putExtra(BatteryManager.EXTRA_SCALE, 200)
                .putExtra(BatteryManager.EXTRA_TEMPERATURE, 314)
                .putExtra(BatteryManager.EXTRA_STATUS, BatteryManager.BATTERY_STATUS_DISCHARGING);
        context.sendStickyBroadcast(battery);
        PowerManager power = context.getSystemService(PowerManager.class);
        shadowOf(power).setCurrentThermalStatus(PowerManager.THERMAL_STATUS_SEVERE);
        shadowOf(power).setIsPowerSaveMode(true);
        DeviceState state = device.state();
        assertEquals(75, state.batteryPercent);
        assertEquals(31.4, state.batteryCelsius, 1e-9);
        assertEquals(false, state.charging);
        assertEquals(true, state.powerSave);
        assertEquals(PowerManager.THERMAL_STATUS_SEVERE, state.thermalStatus);
    }

    @Test
    public void whatAndroidDoesNotSayIsUnknown() {
        DeviceState state = device.state();
        assertEquals(DeviceState.UNKNOWN, state.batteryPercent);
        assertTrue(Double.isNaN(state.batteryCelsius));
        assertNull(state.charging);
    }

    @Test
    public void theBatterysMetersAreRaw() throws Exception {
        Intent told = new Intent(Intent.ACTION_BATTERY_CHANGED)
                .putExtra(BatteryManager.EXTRA_PLUGGED, 0)
                .putExtra(BatteryManager.EXTRA_VOLTAGE, 3912);
        context.sendStickyBroadcast(told);
        BatteryManager meters = context.getSystemService(BatteryManager.class);
        shadowOf(meters).setLongProperty(BatteryManager.BATTERY_PROPERTY_CURRENT_NOW, -812345L);
        shadowOf(meters).setLongProperty(BatteryManager.BATTERY_PROPERTY_CHARGE_COUNTER, 2500000L);
        shadowOf(meters).setLongProperty(BatteryManager.BATTERY_PROPERTY_ENERGY_COUNTER, Long.MIN_VALUE);
        BatteryState state = device.battery();
        assertEquals(false, state.plugged);
        assertEquals(3912, state.milliVolts);
        assertEquals(-812345, state.microAmperes);
        assertEquals(2500000, state.microAmpereHours);
        assertEquals(BatteryState.UNKNOWN, state.nanoWattHours);
    }

    @Test
    public void theMachineHasWhatReportsShow() throws Exception {
        ReflectionHelpers.setStaticField(android.os.Build.class, "MANUFACTURER", "google");
        ReflectionHelpers.setStaticField(android.os.Build.class, "MODEL", "Pixel 8");
        JSONObject machine = device.machine();
        assertEquals("Google Pixel 8 (Android 15)", device.name());
        assertEquals("Android 15 (API 35)", machine.getString("system"));
        assertTrue(machine.getInt("cores") > 0);
        assertFalse(machine.getString("cpu").isEmpty());
    }

    /** A frame of 4 x 2 pixels as cameras give them: padded rows, and U and V that share memory. */
    private static final class Frame extends Image {
        private final Plane[] planes;

        Frame() {
            byte[] y = {10, 20, 30, 40, 0, 0, 50, 60, 70, 80};
            byte[] uv = {(byte) 128, (byte) 128, (byte) 128, (byte) 128};
            planes = new Plane[] {plane(ByteBuffer.wrap(y), 6, 1), plane(ByteBuffer.wrap(uv), 6, 2),
                plane(ByteBuffer.wrap(uv, 1, 3).slice(), 6, 2)};
            mIsImageValid = true;
        }

        private static Plane plane(ByteBuffer data, int rowStride, int pixelStride) {
            return new Plane() {
                @Override
                public int getRowStride() {
                    return rowStride;
                }

                @Override
                public int getPixelStride() {
                    return pixelStride;
                }

                @Override
                public ByteBuffer getBuffer() {
                    return data;
                }
            };
        }

        @Override
        public int getFormat() {
            return android.graphics.ImageFormat.YUV_420_888;
        }

        @Override
        public int getWidth() {
            return 4;
        }

        @Override
        public int getHeight() {
            return 2;
        }

        @Override
        public long getTimestamp() {
            return 0;
        }

        @Override
        public int getTransform() {
            return 0;
        }

        @Override
        public int getScalingMode() {
            return 0;
        }

        @Override
        public Plane[] getPlanes() {
            return planes;
        }

        @Override
        public Rect getCropRect() {
            return new Rect(0, 0, 4, 2);
        }

        @Override
        public void close() {
            mIsImageValid = false;
        }
    }

    private static int[] greys(PixelSource source) throws Exception {
        int[] argb = new int[source.width() * source.height()];
        source.readRows(0, source.height(), argb);
        for (int i = 0; i < argb.length; i++) {
            argb[i] &= 0xFF;
        }
        return argb;
    }

    @Test
    public void cameraFramesAreTurnedUprightInBuffersThatAreReused() throws Exception {
        FrameConverter converter = new FrameConverter();
        converter.convert(new Frame(), 0);
        PixelSource upright = converter.upright();
        assertArrayEquals(new int[] {10, 20, 30, 40, 50, 60, 70, 80}, greys(upright));
        converter.convert(new Frame(), 90);
        assertTrue(upright == converter.upright());
        assertEquals(2, upright.width());
        assertArrayEquals(new int[] {50, 10, 60, 20, 70, 30, 80, 40}, greys(upright));
    }
}
