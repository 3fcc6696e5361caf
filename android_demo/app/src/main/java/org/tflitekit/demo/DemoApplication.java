package org.tflitekit.demo;

import android.app.Application;
import java.util.Arrays;
import java.util.List;
import org.tflitekit.demo.device.Services;
import org.tflitekit.demo.ui.ScreenHost;
import org.tflitekit.demo.ui.Tab;

/** Holds what all screens share. */
public class DemoApplication extends Application implements ScreenHost {
    private Services services;

    /** Makes the folders that {@code adb} copies bundles into and results out of: since Android 11 nobody else can. */
    @Override
    public void onCreate() {
        super.onCreate();
        for (String name : new String[] {"bundles", "runs"}) {
            getExternalFilesDir(name);
        }
    }

    @Override
    public synchronized Services services() {
        if (services == null) {
            services = new DeviceServices(this);
        }
        return services;
    }

    @Override
    public List<Tab> tabs() {
        return Arrays.asList(
                new Tab(R.drawable.ic_classify, R.string.tab_classify, ClassifyActivity.class),
                new Tab(R.drawable.ic_verify, R.string.tab_verify, VerifyActivity.class),
                new Tab(R.drawable.ic_benchmark, R.string.tab_benchmark, BenchActivity.class),
                new Tab(R.drawable.ic_model, R.string.tab_model, ModelActivity.class));
    }

    /** Replaces the device, for tests. */
    public synchronized void setServices(Services services) {
        this.services = services;
    }
}
