package org.tflitekit.core.verify;

/** One golden image: does the device prepare it as the host did? */
public final class ImageCheck {
    public final String sample;
    /** PASSED where pixels are the same as the host's; ERROR where they could not be computed. */
    public final Verdict verdict;
    /** Largest difference of the original file as the device decodes it, 0 to 255; -1 where it cannot be decoded. */
    public final int decodeDifference;
    /** Mean difference of all channels of the same, 0 to 255; -1 where it cannot be decoded. */
    public final double meanDecodeDifference;
    /** Largest difference of cropped and resized pixels of the lossless file, 0 to 255; -1 in case of an error. */
    public final int pixelDifference;
    /** What went wrong, for people; null where nothing did. */
    public final String message;

    ImageCheck(String sample, Verdict verdict, int decodeDifference, double meanDecodeDifference, int pixelDifference,
            String message) {
        this.sample = sample;
        this.verdict = verdict;
        this.decodeDifference = decodeDifference;
        this.meanDecodeDifference = meanDecodeDifference;
        this.pixelDifference = pixelDifference;
        this.message = message;
    }
}
