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
import org.tflitekit.core.bundle.FileEntry;
import org.tflitekit.core.bundle.GoldenResult;
import org.tflitekit.core.bundle.GoldenSample;
import org.tflitekit.core.bundle.TensorSpec;
import org.tflitekit.core.bundle.Tolerance;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.core.decode.DecodedCheck;
import org.tflitekit.core.decode.Decoder;
import org.tflitekit.core.image.Frame;
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
    private final Map<String, Frame> frames = new HashMap<>();

    RunVerifier(Bundle bundle, EngineFactory engines, ImageDecoder decoder, Variant variant) {
        this.bundle = bundle;
        this.engines = engines;
        this.decoder = decoder;
        this.variant = variant;
    }

    RunCheck check(String accelerator, int threads) {
        Engine engine;
        try {
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
        return new RunCheck(variant, accelerator, null, null, threads, Verdict.ERROR, null,
                Collections.<SampleCheck>emptyList(), error.getMessage());
    }

    private RunCheck check(Engine engine) {
        List<SampleCheck> samples = new ArrayList<>();
        for (GoldenSample sample : bundle.golden) {
            samples.add(checkSample(engine, sample));
        }
        Verdict verdict = samples.isEmpty() ? Verdict.NOT_JUDGED : Verdict.PASSED;
        OutputCheck worst = null;
        for (SampleCheck sample : samples) {
            verdict = sample.verdict.compareTo(verdict) > 0 ? sample.verdict : verdict;
            worst = OutputCheck.worse(worst, sample.worst);
        }
        return new RunCheck(variant, engine.requestedAccelerator(), engine.actualAccelerator(),
                engine.accelerationDetail(), engine.threads(), verdict, worst, Collections.unmodifiableList(samples),
                message(verdict, samples, worst));
    }

    private SampleCheck checkSample(Engine engine, GoldenSample sample) {
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
            return compare(engine, sample, golden, inputEqual);
        } catch (BundleException error) {
            return error(sample, error);
        } catch (EngineException error) {
            return error(sample, error);
        } catch (IOException error) {
            return error(sample, error);
        }
    }

    private static SampleCheck error(GoldenSample sample, Exception error) {
        return new SampleCheck(sample.name, Verdict.ERROR, false, null, false, false, error.getMessage());
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
            frames.put(sample.name, preprocessor.frame());
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

    private SampleCheck compare(Engine engine, GoldenSample sample, GoldenResult golden, boolean inputEqual)
            throws BundleException {
        Verdict verdict = inputEqual ? Verdict.PASSED : Verdict.FAILED;
        boolean notANumber = false;
        boolean sameTop1 = true;
        OutputCheck worst = null;
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
            Tolerance tolerance = variant.tolerance(i, engine.actualAccelerator());
            OutputCheck output = new OutputCheck(spec, variant.outputs.size() == 1, tolerance,
                    tolerance.inSteps() ? Differences.steps(host, device, spec)
                            : Differences.real(hostReal, deviceReal, count));
            verdict = output.verdict().compareTo(verdict) > 0 ? output.verdict() : verdict;
            worst = OutputCheck.worse(worst, output);
        }
        String message = inputEqual ? null : "What this device stores in the input is not what the host stored.";
        String decoded = decoded(sample, golden);
        if (decoded != null) {
            verdict = Verdict.FAILED;
            message = message == null ? decoded : message + " " + decoded;
        }
        return new SampleCheck(sample.name, verdict, inputEqual, worst, sameTop1, notANumber, message);
    }

    /** Returns what this device makes otherwise of the host's outputs than the host did; null for nothing. */
    private String decoded(GoldenSample sample, GoldenResult golden) throws BundleException {
        Frame frame = frames.get(sample.name);
        if (golden.decoded == null || frame == null || !bundle.decodes()) {
            return null;
        }
        ByteBuffer[] outputs = new ByteBuffer[variant.outputs.size()];
        for (int i = 0; i < outputs.length; i++) {
            outputs[i] = ByteBuffer.wrap(bundle.bytes(golden.outputs.get(i))).order(ByteOrder.LITTLE_ENDIAN);
        }
        return DecodedCheck.difference(bundle, golden, new Decoder(bundle, variant).decode(outputs, frame));
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

    private String message(Verdict verdict, List<SampleCheck> samples, OutputCheck worst) {
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
        String other = null;
        for (SampleCheck sample : samples) {
            other = other == null && sample.inputEqual ? sample.message : other;
            failed += sample.verdict == Verdict.FAILED ? 1 : 0;
            otherInput += sample.inputEqual ? 0 : 1;
            notANumber |= sample.notANumber;
        }
        String unit = worst.tolerance.inSteps() ? " steps" : "";
        String bound = worst.tolerance.judges() ? "allowed: " + number(worst.tolerance.maxDifference) + unit
                : "not judged: " + worst.tolerance.reason;
        String where = worst.isOnlyOne ? "of outputs" : "in the output '" + worst.output.name + "'";
        String text = "Largest difference " + where + ": " + number(worst.difference) + unit + " (" + bound + ").";
        if (otherInput > 0) {
            text = "The input of " + otherInput + " of " + samples.size() + " samples is not the host's. " + text;
        }
        if (verdict == Verdict.FAILED) {
            text = failed + " of " + samples.size() + " samples fail. " + text;
        }
        text = other == null ? text : text + " " + other;
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
