package org.tflitekit.demo.ui;

import java.util.List;
import org.tflitekit.demo.device.Services;

/** What the screens need of their application, which implements it. */
public interface ScreenHost {
    Services services();

    /** Returns the items of the navigation, in order. */
    List<Tab> tabs();
}
