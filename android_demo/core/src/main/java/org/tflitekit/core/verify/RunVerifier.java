package org.tflitekit.core.verify;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.DataTypes;
import org.tflitekit.core.bundle.FileEntry;
import org.tflitekit.core.bundle.GoldenResult;
import org.tflitekit.core.bundle.GoldenSample;
import org.tflitekit.core.bundle.RuntimeVersion;
import org.tflitekit.core.bundle.TensorSpec;
import org.tflitekit.core.bundle.Tolerance;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.core.image.Preprocessor;
import org.tflitekit.core.inference.Engine;
import org.tflitekit.core.inference.EngineException;
import org.tflitekit.core.inference.EngineFactory;
import org.tflitekit.core.inference.Outputs;
import org.tflitekit.core.inference.TopK;

/** Does one variant on one accelerator give what it gave on the host? */
final class RunVerifier {
    private final Bundle bundle;
    private final EngineFactory engines;
    private final ImageDecoder decoder;
    private final Variant variant;
    private final Map<String, byte[]> prepared = new HashMap<>();

    RunVerifier(Bundle bundle, EngineFactory engines, ImageDecoder decoder, Variant variant) {
        this.bundle = bundle;
        this.engines = engines;
        this.decoder = decoder;
        this.variant = variant;
    }

    RunCheck check(String accelerator, int threads) {
        Engine engine;
        try {
            RuntimeVersion.require(variant, engines.runtimeVersion());
            engine = engines.open(bundle, variant, accelerator, threads);
        } catch (BundleException error) {
            return error(accelerator, threads, error);
        } catch (EngineException error) {
            return error(accelerator, threads, error);
        }
        try {
            return check(engine);
        } finally {
            engine.close();
        }
    }

    private RunCheck error(String accelerator, int threads, Exception error) {
        return new RunCheck(variant.name, accelerator, null, null, threads, Verdict.ERROR, null, Double.NaN,
                Collections.<SampleCheck>emptyList(), error.getMessage());
    }

    private RunCheck check(Engine engine) {
        Tolerance tolerance = variant.tolerance(engine.actualAccelerator());
        List<SampleCheck> samples = new ArrayList<>();
        for (GoldenSample sample : bundle.golden) {
            samples.add(check(engine, sample, tolerance));
        }
        Verdict verdict = worst(samples, tolerance);
        double largest = 0;
        for (SampleCheck sample : samples) {
            largest = Math.max(largest, sample.outputDifference);
        }
        return new RunCheck(variant.name, engine.requestedAccelerator(), engine.actualAccelerator(),
                engine.accelerationDetail(), engine.threads(), verdict, tolerance, largest,
                Collections.unmodifiableList(samples), message(verdict, samples, tolerance, largest));
    }

    private SampleCheck check(Engine engine, GoldenSample sample, Tolerance tolerance) {
        try {
            GoldenResult golden = sample.result(variant);
            boolean inputEqual = true;
            for (int i = 0; i < variant.inputs.size(); i++) {
                byte[] stored = array(golden.inputs.get(i), variant.inputs.get(i), engine.input(i));
                inputEqual &= i > 0 || !bundle.takesImages() || Arrays.equals(stored, prepared(sample, stored.length));
                engine.input(i).rewind();
                engine.input(i).put(stored);
                engine.input(i).rewind();
            }
            engine.invoke();
            return compare(engine, sample, golden, tolerance, inputEqual);
        } catch (BundleException error) {
            return error(sample, error);
        } catch (EngineException error) {
            return error(sample, error);
        } catch (IOException error) {
            return error(sample, error);
        }
    }

    private static SampleCheck error(GoldenSample sample, Exception error) {
        return new SampleCheck(sample.name, Verdict.ERROR, false, Double.NaN, false, false, error.getMessage());
    }

    /** Returns what this device stores in the input for the sample's image; computed once for all accelerators. */
    private byte[] prepared(GoldenSample sample, int length) throws BundleException, IOException {
        byte[] known = prepared.get(sample.name);
        if (known == null) {
            Preprocessor preprocessor = new Preprocessor(bundle.preprocessing, variant.inputs.get(0));
            ByteBuffer input = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
            preprocessor.fill(preprocessor.pixels(decoder.decode(bundle.bytes(sample.image))), input);
            known = input.array();
            prepared.put(sample.name, known);
        }
        return known;
    }

    private byte[] array(FileEntry entry, TensorSpec spec, ByteBuffer tensor) throws BundleException {
        byte[] stored = bundle.bytes(entry);
        if (!spec.dtype.equals(entry.dtype) || stored.length != tensor.capacity()) {
            throw new BundleException("'" + entry.file + "' holds " + stored.length + " bytes of " + entry.dtype
                    + ", but the tensor '" + spec.name + "' of the variant '" + variant.name + "' takes "
                    + tensor.capacity() + " bytes of " + spec.dtype
                    + ". Make the bundle again with 'tflitekit bundle'.");
        }
        return stored;
    }

    private SampleCheck compare(Engine engine, GoldenSample sample, GoldenResult golden, Tolerance tolerance,
            boolean inputEqual) throws BundleException {
        boolean fails = !inputEqual;
        boolean judged = tolerance.judges();
        boolean notANumber = false;
        boolean sameTop1 = true;
        double largest = 0;
        for (int i = 0; i < variant.outputs.size(); i++) {
            TensorSpec spec = variant.outputs.get(i);
            ByteBuffer device = engine.output(i);
            ByteBuffer host = ByteBuffer.wrap(array(golden.outputs.get(i), spec, device))
                    .order(ByteOrder.LITTLE_ENDIAN);
            int count = Outputs.elements(device, spec);
            float[] hostReal = new float[count];
            float[] deviceReal = new float[count];
            Outputs.dequantize(host, spec, hostReal);
            Outputs.dequantize(device, spec, deviceReal);
            for (float value : deviceReal) {
                notANumber |= value != value;
            }
            if (i == variant.primaryOutput && bundle.classifies()) {
                sameTop1 = bundle.isBinary() ? binary(hostReal[0]) == binary(deviceReal[0])
                        : top1(hostReal) == top1(deviceReal);
            }
            boolean inSteps = tolerance.inSteps() && !DataTypes.isFloat(spec.dtype);
            double difference = inSteps ? Differences.steps(host, device, spec)
                    : Differences.real(hostReal, deviceReal, count);
            if (inSteps == tolerance.inSteps() || tolerance.maxDifference == 0) {
                largest = Math.max(largest, difference);
                fails |= difference > tolerance.maxDifference || Double.isInfinite(difference);
            } else {
                judged = false;
            }
        }
        Verdict verdict = fails ? Verdict.FAILED : judged ? Verdict.PASSED : Verdict.NOT_JUDGED;
        return new SampleCheck(sample.name, verdict, inputEqual, largest, sameTop1, notANumber,
                inputEqual ? null : "What this device stores in the input is not what the host stored.");
    }

    private int binary(float value) {
        float[] scores = new float[2];
        Outputs.binary(value, bundle.givesProbabilities(), scores);
        return top1(scores);
    }

    private static int top1(float[] values) {
        int[] best = new int[1];
        TopK.select(values, values.length, best);
        return best[0];
    }

    private static Verdict worst(List<SampleCheck> samples, Tolerance tolerance) {
        Verdict worst = samples.isEmpty() || !tolerance.judges() ? Verdict.NOT_JUDGED : Verdict.PASSED;
        for (SampleCheck sample : samples) {
            if (sample.verdict.ordinal() > worst.ordinal()) {
                worst = sample.verdict;
            }
        }
        return worst;
    }

    private String message(Verdict verdict, List<SampleCheck> samples, Tolerance tolerance, double largest) {
        String unit = tolerance.inSteps() ? " steps" : "";
        String bound = tolerance.judges() ? "allowed: " + number(tolerance.maxDifference) + unit
                : "not judged: " + tolerance.reason;
        if (samples.isEmpty()) {
            return "The bundle has no golden samples, so nothing was compared.";
        }
        if (verdict == Verdict.ERROR) {
            for (SampleCheck sample : samples) {
                if (sample.verdict == Verdict.ERROR) {
                    return "Sample " + sample.sample + ": " + sample.message;
                }
            }
        }
        int failed = 0;
        int otherInput = 0;
        boolean notANumber = false;
        for (SampleCheck sample : samples) {
            failed += sample.verdict == Verdict.FAILED ? 1 : 0;
            otherInput += sample.inputEqual ? 0 : 1;
            notANumber |= sample.notANumber;
        }
        String text = "Largest difference of outputs: " + number(largest) + unit + " (" + bound + ").";
        if (otherInput > 0) {
            text = "The input of " + otherInput + " of " + samples.size() + " samples is not the host's. " + text;
        }
        if (verdict == Verdict.FAILED) {
            text = failed + " of " + samples.size() + " samples fail. " + text;
        }
        return notANumber ? text + " Outputs hold values that are not numbers (NaN)." : text;
    }

    private static String number(double value) {
        if (Double.isInfinite(value)) {
            return "not a number on one side";
        }
        return value == Math.rint(value) && Math.abs(value) < 1e9 ? String.valueOf((long) value)
                : String.valueOf((float) value);
    }
}
