package org.tflitekit.core.verify;

import java.util.List;
import org.tflitekit.core.bundle.Variant;

/** All golden samples on one variant and accelerator. */
public final class RunCheck {
    public final String variant;
    /** Of the file that the variant was made of, as the bundle has it. */
    public final String sha256;
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

    RunCheck(Variant variant, String requestedAccelerator, String actualAccelerator, String accelerationDetail,
            int threads, Verdict verdict, OutputCheck worst, List<SampleCheck> samples, String message) {
        this.variant = variant.name;
        this.sha256 = variant.measuredSha256;
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
