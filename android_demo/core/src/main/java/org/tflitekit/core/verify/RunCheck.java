package org.tflitekit.core.verify;

import java.util.List;
import org.tflitekit.core.bundle.Tolerance;

/** All golden samples on one variant and accelerator. */
public final class RunCheck {
    public final String variant;
    public final String requestedAccelerator;
    /** What really ran; null where nothing did. */
    public final String actualAccelerator;
    /** For people: what ran where. */
    public final String accelerationDetail;
    public final int threads;
    public final Verdict verdict;
    /** That of the actual accelerator; null where nothing ran. */
    public final Tolerance tolerance;
    /** Largest of all samples, in the tolerance's unit. */
    public final double outputDifference;
    /** Not modifiable. */
    public final List<SampleCheck> samples;
    /** One sentence for people. */
    public final String message;

    RunCheck(String variant, String requestedAccelerator, String actualAccelerator, String accelerationDetail,
            int threads, Verdict verdict, Tolerance tolerance, double outputDifference, List<SampleCheck> samples,
            String message) {
        this.variant = variant;
        this.requestedAccelerator = requestedAccelerator;
        this.actualAccelerator = actualAccelerator;
        this.accelerationDetail = accelerationDetail;
        this.threads = threads;
        this.verdict = verdict;
        this.tolerance = tolerance;
        this.outputDifference = outputDifference;
        this.samples = samples;
        this.message = message;
    }
}
