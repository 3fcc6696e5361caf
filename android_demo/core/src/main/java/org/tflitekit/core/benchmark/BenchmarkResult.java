package org.tflitekit.core.benchmark;

import java.util.Collections;
import java.util.List;

/** What one benchmark found. */
public final class BenchmarkResult {
    public final BenchmarkPlan plan;
    /** Where it ran, as reports name it: "android:Pixel 8 (Android 15)". */
    public final String target;
    /** One a variant, in the order of the plan; not modifiable. */
    public final List<Measurement> measurements;
    public final DeviceState before;
    public final DeviceState after;
    /** The highest thermal status that was seen, or {@link DeviceState#UNKNOWN}. */
    public final int worstThermalStatus;
    /** "precision" (every interval is narrow enough), "budget" (time is up) or "protocol" (what it prescribes was taken). */
    public final String stoppedBy;
    /** What casts doubt on the figures; not modifiable. */
    public final List<Finding> warnings;

    BenchmarkResult(BenchmarkPlan plan, String target, List<Measurement> measurements, DeviceState before,
            DeviceState after, int worstThermalStatus, String stoppedBy, List<Finding> warnings) {
        this.plan = plan;
        this.target = target;
        this.measurements = Collections.unmodifiableList(measurements);
        this.before = before;
        this.after = after;
        this.worstThermalStatus = worstThermalStatus;
        this.stoppedBy = stoppedBy;
        this.warnings = Collections.unmodifiableList(warnings);
    }
}
