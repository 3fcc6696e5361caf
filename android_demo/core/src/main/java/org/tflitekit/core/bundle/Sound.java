package org.tflitekit.core.bundle;

/** What a recording must be before it is the model's input: float values from -1 to 1, one for each channel. */
public final class Sound {
    /** In samples a second. */
    public final int rate;
    public final int channels;
    /** In samples; 0 where sounds keep theirs. */
    public final int length;
    /** Where zeros go into what is shorter: "start", "end" or "both"; null where nothing shorter was measured. */
    public final String pad;
    /** What is kept of what is longer: "start", "end" or "center"; null where nothing longer was measured. */
    public final String crop;

    Sound(int rate, int channels, int length, String pad, String crop) {
        this.rate = rate;
        this.channels = channels;
        this.length = length;
        this.pad = pad;
        this.crop = crop;
    }
}
