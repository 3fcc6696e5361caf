package org.tflitekit.core.decode;

/** Colors of classes and keypoints, those of the host's page ({@code tflitekit/tasks/drawing.py}). */
public final class Colors {
    private static final int[] FIRST = {0xE63C32, 0x2878E6, 0x32B446, 0xFAB41E, 0xA046D2, 0x14BEBE, 0xF06EBE};
    private static final double GOLDEN = 0.618034;
    private static final double SATURATION = 0.75;

    private Colors() {}

    /** Returns a color, opaque ARGB: neighbours in number are far apart in hue. */
    public static int of(int number) {
        if (number < FIRST.length) {
            return 0xFF000000 | FIRST[Math.max(0, number)];
        }
        double hue = number * GOLDEN % 1 * 6;
        double value = 0.6 + 0.3 * (number % 2);
        return 0xFF000000 | channel(hue, 5, value) << 16 | channel(hue, 3, value) << 8 | channel(hue, 1, value);
    }

    /** Returns the color of a class of masks, whose class 0 is the background and has none. */
    public static int ofMask(int number) {
        return of(number - 1);
    }

    /** From hue, saturation and value to a channel: https://en.wikipedia.org/wiki/HSL_and_HSV#HSV_to_RGB_alternative. */
    private static int channel(double hue, int which, double value) {
        double k = (which + hue) % 6;
        double share = Math.max(0, Math.min(1, Math.min(k, 4 - k)));
        return (int) Math.rint(255 * value * (1 - SATURATION * share));
    }
}
