package org.tflitekit.core.image;

/** Weights of neighbouring pixels by their distance, as Pillow defines its filters. */
enum ResamplingFilter {
    BOX(0.5) {
        @Override
        double weight(double x) {
            return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
        }
    },
    BILINEAR(1.0) {
        @Override
        double weight(double x) {
            double distance = Math.abs(x);
            return distance < 1.0 ? 1.0 - distance : 0.0;
        }
    },
    /** Keys' cubic convolution with a = -0.5. */
    BICUBIC(2.0) {
        @Override
        double weight(double x) {
            double distance = Math.abs(x);
            if (distance < 1.0) {
                return (1.5 * distance - 2.5) * distance * distance + 1.0;
            }
            return distance < 2.0 ? (((distance - 5.0) * distance + 8.0) * distance - 4.0) * -0.5 : 0.0;
        }
    },
    /** Windowed sinc over three lobes. */
    LANCZOS(3.0) {
        @Override
        double weight(double x) {
            return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
        }
    };

    /** Largest distance with a weight, in pixels of the coarser image. */
    final double support;

    ResamplingFilter(double support) {
        this.support = support;
    }

    abstract double weight(double x);

    private static double sinc(double x) {
        double angle = x * Math.PI;
        return x == 0.0 ? 1.0 : StrictMath.sin(angle) / angle;
    }
}
