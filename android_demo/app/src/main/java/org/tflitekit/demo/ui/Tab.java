package org.tflitekit.demo.ui;

import android.app.Activity;

/** One item of the navigation below each screen. */
public final class Tab {
    final int icon;
    final int label;
    final Class<? extends Activity> activity;

    /**
     * @param icon a drawable
     * @param label a string
     */
    public Tab(int icon, int label, Class<? extends Activity> activity) {
        this.icon = icon;
        this.label = label;
        this.activity = activity;
    }
}
