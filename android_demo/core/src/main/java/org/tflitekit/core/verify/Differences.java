package org.tflitekit.core.verify;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.tflitekit.core.bundle.DataTypes;
import org.tflitekit.core.bundle.TensorSpec;
import org.tflitekit.core.image.PixelSource;
import org.tflitekit.core.inference.Outputs;

/** Largest differences between what the host and the device computed. */
final class Differences {
    private Differences() {}

    /** Returns the largest difference of stored integers, in steps. */
    static double steps(ByteBuffer host, ByteBuffer device, TensorSpec spec) {
        int count = Outputs.elements(host, spec);
        double largest = 0;
        for (int i = 0; i < count; i++) {
            largest = Math.max(largest, Math.abs((double) stored(host, spec.dtype, i) - stored(device, spec.dtype, i)));
        }
        return largest;
    }

    /** Returns the largest difference of real values; infinite where only one side is a number. */
    static double real(float[] host, float[] device, int count) {
        double largest = 0;
        for (int i = 0; i < count; i++) {
            double difference = Math.abs((double) host[i] - device[i]);
            if (host[i] == device[i] || host[i] != host[i] && device[i] != device[i]) {
                difference = 0;
            } else if (difference != difference) {
                difference = Double.POSITIVE_INFINITY;
            }
            largest = Math.max(largest, difference);
        }
        return largest;
    }

    /** Returns the largest difference of unsigned bytes. */
    static int bytes(byte[] host, byte[] device) {
        int largest = 0;
        for (int i = 0; i < host.length; i++) {
            largest = Math.max(largest, Math.abs((host[i] & 255) - (device[i] & 255)));
        }
        return largest;
    }

    /** Differences of red, green and blue between two images of the same size, 0 to 255. */
    static final class Images {
        int largest;
        double mean;

        Images(PixelSource host, PixelSource device) throws IOException {
            int[] left = new int[host.width()];
            int[] right = new int[host.width()];
            long sum = 0;
            for (int y = 0; y < host.height(); y++) {
                host.readRows(y, 1, left);
                device.readRows(y, 1, right);
                for (int x = 0; x < left.length; x++) {
                    for (int shift = 0; shift <= 16; shift += 8) {
                        int difference = Math.abs((left[x] >> shift & 255) - (right[x] >> shift & 255));
                        largest = Math.max(largest, difference);
                        sum += difference;
                    }
                }
            }
            mean = sum / (3.0 * host.width() * host.height());
        }
    }

    private static long stored(ByteBuffer values, String dtype, int index) {
        switch (DataTypes.bytes(dtype)) {
            case 1:
                return "int8".equals(dtype) ? values.get(index) : values.get(index) & 255;
            case 2:
                return "int16".equals(dtype) ? values.getShort(2 * index) : values.getShort(2 * index) & 0xFFFF;
            case 4:
                return "int32".equals(dtype) ? values.getInt(4 * index) : values.getInt(4 * index) & 0xFFFFFFFFL;
            default:
                return values.getLong(8 * index);
        }
    }
}
