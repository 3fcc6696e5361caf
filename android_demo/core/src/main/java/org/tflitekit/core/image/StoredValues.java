package org.tflitekit.core.image;

import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.ShortBuffer;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.Preprocessing;
import org.tflitekit.core.bundle.TensorSpec;

/**
 * What a model's input stores for each of the 256 values of a pixel: normalized in float32, then quantized. Computed
 * once a channel, then only looked up.
 */
final class StoredValues {
    private final ImageLayout layout;
    private final Writer writer;

    /** @throws BundleException means or deviations do not fit the channels, or no image can be stored in the type */
    StoredValues(Preprocessing preprocessing, TensorSpec input, ImageLayout layout) throws BundleException {
        this.layout = layout;
        float[][] real = new float[layout.channels][256];
        for (int channel = 0; channel < layout.channels; channel++) {
            normalize(preprocessing, channel, real[channel]);
        }
        writer = writer(input, real, layout.elements());
    }

    void fill(byte[] pixels, ByteBuffer input) {
        int channels = layout.channels;
        int plane = layout.width * layout.height;
        for (int channel = 0; channel < channels; channel++) {
            if (layout.channelsFirst) {
                writer.look(pixels, channel * plane, (channel + 1) * plane, 1, channel);
            } else {
                writer.look(pixels, channel, pixels.length, channels, channel);
            }
        }
        writer.store(input);
        input.rewind();
    }

    private void normalize(Preprocessing preprocessing, int channel, float[] real) throws BundleException {
        double[] mean = preprocessing.mean();
        double[] std = preprocessing.std();
        checkLength("mean", mean.length, preprocessing);
        checkLength("std", std.length, preprocessing);
        boolean subtracts = false;
        for (double value : mean) {
            subtracts |= value != 0;
        }
        boolean divides = false;
        for (double value : std) {
            divides |= value != 1;
        }
        float divisor = (float) preprocessing.divisor;
        float channelMean = (float) mean[mean.length == 1 ? 0 : channel];
        float channelStd = (float) std[std.length == 1 ? 0 : channel];
        for (int pixel = 0; pixel < 256; pixel++) {
            float value = pixel;
            if (preprocessing.divisor != 1) {
                value /= divisor;
            }
            if (subtracts) {
                value -= channelMean;
            }
            if (divides) {
                value /= channelStd;
            }
            real[pixel] = value;
        }
    }

    private void checkLength(String field, int length, Preprocessing preprocessing) throws BundleException {
        if (length != 1 && length != layout.channels) {
            throw new BundleException("The preprocessing '" + preprocessing.name + "' has " + length + " values for "
                    + field + ", but the model's input has " + layout.channels
                    + " channels. Make the bundle again with a preprocessing that fits.");
        }
    }

    private static Writer writer(TensorSpec input, float[][] real, int elements) throws BundleException {
        switch (input.dtype) {
            case "float32":
                return new Floats(real, elements);
            case "int8":
                return new Bytes(stored(input, real, Byte.MIN_VALUE, Byte.MAX_VALUE), elements);
            case "uint8":
                return new Bytes(stored(input, real, 0, 255), elements);
            case "int16":
                return new Shorts(stored(input, real, Short.MIN_VALUE, Short.MAX_VALUE), elements);
            case "int32":
                return new Ints(stored(input, real, Integer.MIN_VALUE, Integer.MAX_VALUE), elements);
            default:
                throw new BundleException("The model's input '" + input.name + "' is stored as " + input.dtype
                        + ", in which this app cannot store images. Convert the model with inputs in float32, int8,"
                        + " uint8 or int16.");
        }
    }

    /** Returns {@code round(real / scale) + zeroPoint}, clipped, or the whole part where nothing is quantized. */
    private static int[][] stored(TensorSpec input, float[][] real, int lowest, int highest) {
        int[][] stored = new int[real.length][256];
        for (int channel = 0; channel < real.length; channel++) {
            for (int pixel = 0; pixel < 256; pixel++) {
                float value = real[channel][pixel];
                if (input.quantized) {
                    float quantized = (float) Math.rint(value / input.scale) + input.zeroPoint;
                    stored[channel][pixel] = (int) Math.max(lowest, Math.min(highest, quantized));
                } else {
                    stored[channel][pixel] = (int) value;
                }
            }
        }
        return stored;
    }

    /** Values of one storage type, collected in an array and copied in one go. */
    private interface Writer {
        void look(byte[] pixels, int from, int to, int step, int channel);

        void store(ByteBuffer input);
    }

    private static final class Floats implements Writer {
        private final float[][] table;
        private final float[] values;
        private ByteBuffer known;
        private FloatBuffer view;

        Floats(float[][] table, int elements) {
            this.table = table;
            values = new float[elements];
        }

        @Override
        public void look(byte[] pixels, int from, int to, int step, int channel) {
            float[] of = table[channel];
            for (int i = from; i < to; i += step) {
                values[i] = of[pixels[i] & 255];
            }
        }

        @Override
        public void store(ByteBuffer input) {
            if (input != known) {
                known = input;
                input.rewind();
                view = input.asFloatBuffer();
            }
            view.rewind();
            view.put(values);
        }
    }

    private static final class Bytes implements Writer {
        private final byte[][] table;
        private final byte[] values;

        Bytes(int[][] stored, int elements) {
            table = new byte[stored.length][256];
            for (int channel = 0; channel < stored.length; channel++) {
                for (int pixel = 0; pixel < 256; pixel++) {
                    table[channel][pixel] = (byte) stored[channel][pixel];
                }
            }
            values = new byte[elements];
        }

        @Override
        public void look(byte[] pixels, int from, int to, int step, int channel) {
            byte[] of = table[channel];
            for (int i = from; i < to; i += step) {
                values[i] = of[pixels[i] & 255];
            }
        }

        @Override
        public void store(ByteBuffer input) {
            input.rewind();
            input.put(values);
        }
    }

    private static final class Shorts implements Writer {
        private final int[][] table;
        private final short[] values;
        private ByteBuffer known;
        private ShortBuffer view;

        Shorts(int[][] table, int elements) {
            this.table = table;
            values = new short[elements];
        }

        @Override
        public void look(byte[] pixels, int from, int to, int step, int channel) {
            int[] of = table[channel];
            for (int i = from; i < to; i += step) {
                values[i] = (short) of[pixels[i] & 255];
            }
        }

        @Override
        public void store(ByteBuffer input) {
            if (input != known) {
                known = input;
                input.rewind();
                view = input.asShortBuffer();
            }
            view.rewind();
            view.put(values);
        }
    }

    private static final class Ints implements Writer {
        private final int[][] table;
        private final int[] values;
        private ByteBuffer known;
        private IntBuffer view;

        Ints(int[][] table, int elements) {
            this.table = table;
            values = new int[elements];
        }

        @Override
        public void look(byte[] pixels, int from, int to, int step, int channel) {
            int[] of = table[channel];
            for (int i = from; i < to; i += step) {
                values[i] = of[pixels[i] & 255];
            }
        }

        @Override
        public void store(ByteBuffer input) {
            if (input != known) {
                known = input;
                input.rewind();
                view = input.asIntBuffer();
            }
            view.rewind();
            view.put(values);
        }
    }
}
