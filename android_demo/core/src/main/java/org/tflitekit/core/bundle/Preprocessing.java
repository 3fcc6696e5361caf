package org.tflitekit.core.bundle;

/**
 * From an image to the numbers that a model expects: crop, resize, order of channels, then
 * {@code (pixel / divisor - mean) / std} in float32. Pixels are 0 to 255.
 */
public final class Preprocessing {
    public final String name;
    /** "rgb" or "bgr": the order of three channels. */
    public final String color;
    /** "nearest", "box", "bilinear", "bicubic" or "lanczos": Pillow's filter of that name. */
    public final String resize;
    /** "stretch", "center_crop" or "pad". */
    public final String fit;
    /** Centred part of each side that is kept, above 0 to 1. */
    public final double cropFraction;
    public final double divisor;
    private final double[] mean;
    private final double[] std;

    /** Arrays are copied; they hold one value, or one a channel. */
    public Preprocessing(String name, String color, String resize, String fit, double cropFraction, double divisor,
            double[] mean, double[] std) {
        this.name = name;
        this.color = color;
        this.resize = resize;
        this.fit = fit;
        this.cropFraction = cropFraction;
        this.divisor = divisor;
        this.mean = mean.clone();
        this.std = std.clone();
    }

    /** Returns a copy: one value, or one a channel. */
    public double[] mean() {
        return mean.clone();
    }

    /** Returns a copy: one value, or one a channel. */
    public double[] std() {
        return std.clone();
    }
}
