package org.tflitekit.demo;

import android.app.Application;

/** Holds what all screens share. */
public class DemoApplication extends Application {
    private Services services;

    public synchronized Services services() {
        if (services == null) {
            services = new DeviceServices(this);
        }
        return services;
    }

    /** Replaces the device, for tests. */
    public synchronized void setServices(Services services) {
        this.services = services;
    }
}
