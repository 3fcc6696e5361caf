package org.tflitekit.core.verify;

import java.util.List;

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
    /** The output that is worst, of all samples; null where nothing ran. */
    public final OutputCheck worst;
    /** Not modifiable. */
    public final List<SampleCheck> samples;
    /** One sentence for people. */
    public final String message;

    RunCheck(String variant, String requestedAccelerator, String actualAccelerator, String accelerationDetail,
            int threads, Verdict verdict, OutputCheck worst, List<SampleCheck> samples, String message) {
        this.variant = variant;
        this.requestedAccelerator = requestedAccelerator;
        this.actualAccelerator = actualAccelerator;
        this.accelerationDetail = accelerationDetail;
        this.threads = threads;
        this.verdict = verdict;
        this.worst = worst;
        this.samples = samples;
        this.message = message;
    }
}
