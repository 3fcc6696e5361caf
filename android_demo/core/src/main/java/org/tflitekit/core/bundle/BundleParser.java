package org.tflitekit.core.bundle;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads {@code bundle.json} into a {@link Bundle} and checks that it does not contradict itself. */
final class BundleParser {
    private static final String AGAIN = " Make the bundle again with 'tflitekit bundle'.";

    private static final String[] ACCELERATORS = {"cpu", "cpu_builtin", "gpu", "nnapi"};

    private BundleParser() {}

    static Bundle parse(String text, BundleFiles files) throws BundleException {
        JsonNode root = JsonNode.parse(text);
        int schema = root.integer("schema_version");
        if (schema > Bundle.SCHEMA_VERSION) {
            throw new BundleException("The bundle has schema version " + schema + ", this app reads up to version "
                    + Bundle.SCHEMA_VERSION + ". A newer tflitekit made it: update the app.");
        }
        if (schema < 1) {
            throw root.wrong("schema_version", "1 or more");
        }
        String inputKind = root.choice("input_kind", "image", "tensors");
        Preprocessing preprocessing =
                "image".equals(inputKind) || !root.isNull("preprocessing") ? preprocessing(root.node("preprocessing"))
                        : null;
        List<String> labels = root.isNull("labels") ? null
                : Collections.unmodifiableList(Arrays.asList(root.texts("labels")));
        List<Variant> variants = new ArrayList<>();
        for (JsonNode node : root.nodes("variants")) {
            variants.add(variant(node));
        }
        JsonNode golden = root.node("golden");
        List<GoldenSample> samples = new ArrayList<>();
        for (JsonNode node : golden.nodes("samples")) {
            samples.add(sample(node));
        }
        Bundle bundle = new Bundle(files, root.text("name"), inputKind, root.text("recommended"),
                root.optionalText("baseline"), preprocessing, sound(root.optionalNode("sound")), labels,
                root.choice("output_meaning", "probabilities", "values"),
                root.choice("task", "classification", "binary", "detection", "segmentation", "keypoints", "other"),
                root.optionalNode("reader"), Collections.unmodifiableList(variants),
                Collections.unmodifiableList(samples), golden.integer("top_k"));
        check(bundle);
        return bundle;
    }

    static Preprocessing preprocessing(JsonNode node) throws BundleException {
        double cropFraction = node.number("crop_fraction");
        if (!(cropFraction > 0 && cropFraction <= 1)) {
            throw node.wrong("crop_fraction", "above 0 and at most 1");
        }
        double divisor = node.number("divisor");
        if (!(divisor > 0)) {
            throw node.wrong("divisor", "above 0");
        }
        double[] mean = node.numbers("mean");
        double[] std = node.numbers("std");
        if (mean.length == 0) {
            throw node.wrong("mean", "a list with one value, or one a channel");
        }
        if (std.length == 0) {
            throw node.wrong("std", "a list with one value, or one a channel");
        }
        for (double value : std) {
            if (!(value > 0)) {
                throw node.wrong("std", "above 0");
            }
        }
        return new Preprocessing(node.text("name"), node.choice("color", "rgb", "bgr"),
                node.choice("resize", "nearest", "box", "bilinear", "bicubic", "lanczos"),
                node.choice("fit", "stretch", "center_crop", "pad"), cropFraction, divisor, mean, std);
    }

    private static Sound sound(JsonNode node) throws BundleException {
        if (node == null) {
            return null;
        }
        for (String name : new String[] {"rate", "channels"}) {
            if (node.integer(name) < 1) {
                throw node.wrong(name, "1 or more");
            }
        }
        boolean anyLength = node.isNull("length");
        if (!anyLength && node.integer("length") < 1) {
            throw node.wrong("length", "1 or more, or null");
        }
        return new Sound(node.integer("rate"), node.integer("channels"), anyLength ? 0 : node.integer("length"),
                node.isNull("pad") ? null : node.choice("pad", "start", "end", "both"),
                node.isNull("crop") ? null : node.choice("crop", "start", "end", "center"));
    }

    static TensorSpec tensor(JsonNode node) throws BundleException {
        int[] shape = node.integers("shape");
        long elements = 1;
        for (int size : shape) {
            if (size < -1) {
                throw node.wrong("shape", "sizes, or -1 where a dimension is dynamic");
            }
            elements *= Math.max(1, size);
            if (elements > Integer.MAX_VALUE / 8) {
                throw node.wrong("shape", "a shape that fits into memory");
            }
        }
        JsonNode quantization = node.optionalNode("quantization");
        float scale = 1;
        int zeroPoint = 0;
        if (quantization != null) {
            double[] scales = quantization.numbers("scale");
            int[] zeroPoints = quantization.integers("zero_point");
            if (scales.length == 0 || zeroPoints.length == 0 || !(scales[0] > 0)) {
                throw node.wrong("quantization", "a scale above 0 and a zero point");
            }
            scale = (float) scales[0];
            zeroPoint = zeroPoints[0];
        }
        return new TensorSpec(node.text("name"), shape, dataType(node), quantization != null, scale, zeroPoint);
    }

    private static String dataType(JsonNode node) throws BundleException {
        String dtype = node.text("dtype");
        if (!DataTypes.isKnown(dtype)) {
            throw new BundleException("The bundle holds data of the type '" + dtype
                    + "', which this app does not know. Update the app.");
        }
        return dtype;
    }

    private static Variant variant(JsonNode node) throws BundleException {
        String file = fileName(node, "file");
        List<TensorSpec> outputs = tensors(node, "outputs");
        return new Variant(node.text("name"), node.optionalText("scheme"),
                new FileEntry(file, hash(node), null, null, 0, 0), node.text("measured_sha256"),
                node.size("size_bytes"), node.optionalText("min_runtime_version"), node.integer("operators"),
                node.optionalNumber("integer_op_fraction"), node.flag("keeps_state"), tensors(node, "inputs"),
                outputs, node.integer("primary_output"), accuracy(node.optionalNode("accuracy")),
                accuracy(node.optionalNode("accuracy_drop")), tolerances(node, outputs));
    }

    private static List<Map<String, Tolerance>> tolerances(JsonNode node, List<TensorSpec> outputs)
            throws BundleException {
        JsonNode[] stated = node.nodes("tolerances");
        if (stated.length != outputs.size()) {
            throw node.wrong("tolerances", "a list with one object for each output");
        }
        List<Map<String, Tolerance>> found = new ArrayList<>();
        for (int i = 0; i < stated.length; i++) {
            Map<String, Tolerance> ofOutput = new LinkedHashMap<>();
            for (String accelerator : ACCELERATORS) {
                Tolerance tolerance = tolerance(stated[i].node(accelerator));
                if (tolerance.inSteps() && DataTypes.isFloat(outputs.get(i).dtype)) {
                    throw stated[i].wrong(accelerator + ".unit", "'real', because the output holds floats");
                }
                ofOutput.put(accelerator, tolerance);
            }
            found.add(Collections.unmodifiableMap(ofOutput));
        }
        return Collections.unmodifiableList(found);
    }

    private static List<TensorSpec> tensors(JsonNode node, String key) throws BundleException {
        List<TensorSpec> tensors = new ArrayList<>();
        for (JsonNode tensor : node.nodes(key)) {
            tensors.add(tensor(tensor));
        }
        if (tensors.isEmpty()) {
            throw node.wrong(key, "a list with at least one tensor");
        }
        return Collections.unmodifiableList(tensors);
    }

    private static Tolerance tolerance(JsonNode node) throws BundleException {
        double bound = node.isNull("max_difference") ? Double.NaN : node.number("max_difference");
        if (bound < 0) {
            throw node.wrong("max_difference", "0 or more, or null");
        }
        return new Tolerance(bound, node.choice("unit", "steps", "real"), node.text("reason"));
    }

    private static Accuracy accuracy(JsonNode node) throws BundleException {
        if (node == null) {
            return null;
        }
        return new Accuracy(node.optionalText("metric"), node.number("value"), node.optionalNumber("low"),
                node.optionalNumber("high"), node.isNull("n") ? 0 : node.integer("n"));
    }

    private static GoldenSample sample(JsonNode node) throws BundleException {
        List<GoldenResult> results = new ArrayList<>();
        for (JsonNode result : node.nodes("results")) {
            results.add(result(result));
        }
        return new GoldenSample(node.text("name"), node.text("key"),
                node.isNull("label") ? -1 : node.integer("label"), image(node.optionalNode("original")),
                image(node.optionalNode("image")), node.isNull("pixels") ? null : array(node.node("pixels")),
                arrays(node, "inputs"), Collections.unmodifiableList(results));
    }

    private static GoldenResult result(JsonNode node) throws BundleException {
        JsonNode[] best = node.nodes("top_k");
        int[] indices = new int[best.length];
        float[] scores = new float[best.length];
        for (int i = 0; i < best.length; i++) {
            indices[i] = best[i].integer("index");
            scores[i] = (float) best[i].number("score");
        }
        JsonNode decoded = node.optionalNode("decoded");
        FileEntry mask = decoded != null && "mask".equals(decoded.text("kind")) ? array(decoded.node("mask")) : null;
        return new GoldenResult(node.text("variant"), arrays(node, "inputs"), arrays(node, "outputs"), indices,
                scores, decoded, mask);
    }

    private static List<FileEntry> arrays(JsonNode node, String key) throws BundleException {
        List<FileEntry> entries = new ArrayList<>();
        for (JsonNode entry : node.nodes(key)) {
            entries.add(array(entry));
        }
        return Collections.unmodifiableList(entries);
    }

    private static FileEntry array(JsonNode node) throws BundleException {
        int[] shape = node.integers("shape");
        long elements = 1;
        for (int size : shape) {
            if (size < 0) {
                throw node.wrong("shape", "sizes");
            }
            elements *= size;
            if (elements > Integer.MAX_VALUE / 8) {
                throw node.wrong("shape", "a shape that fits into memory");
            }
        }
        return new FileEntry(fileName(node, "file"), hash(node), dataType(node), shape, 0, 0);
    }

    private static FileEntry image(JsonNode node) throws BundleException {
        return node == null ? null : new FileEntry(fileName(node, "file"), hash(node), null, null,
                node.integer("width"), node.integer("height"));
    }

    /** Returns a path that stays inside of the bundle. */
    private static String fileName(JsonNode node, String key) throws BundleException {
        String name = node.text(key);
        boolean inside = !name.isEmpty() && name.indexOf('\\') < 0 && name.indexOf('\0') < 0 && name.indexOf(':') < 0;
        for (String part : name.split("/", -1)) {
            inside &= !part.isEmpty() && !part.equals(".") && !part.equals("..");
        }
        if (!inside) {
            throw new BundleException("The bundle names the file '" + name + "', which does not lie in its folder."
                    + " Do not use this bundle." + AGAIN);
        }
        return name;
    }

    private static String hash(JsonNode node) throws BundleException {
        String hash = node.text("sha256");
        boolean digits = hash.length() == 64;
        for (int i = 0; i < hash.length(); i++) {
            digits &= "0123456789abcdef".indexOf(hash.charAt(i)) >= 0;
        }
        if (!digits) {
            throw node.wrong("sha256", "64 lower-case hexadecimal digits");
        }
        return hash;
    }

    private static void check(Bundle bundle) throws BundleException {
        if (bundle.variants.isEmpty()) {
            throw new BundleException("The bundle holds no variant, so there is no model to run." + AGAIN);
        }
        for (Variant variant : bundle.variants) {
            if (bundle.variant(variant.name) != variant) {
                throw new BundleException("The bundle holds two variants named '" + variant.name + "'." + AGAIN);
            }
            checkOutputs(bundle, variant);
        }
        bundle.variant(bundle.recommended);
        for (GoldenSample sample : bundle.golden) {
            checkSample(bundle, sample);
        }
    }

    private static void checkOutputs(Bundle bundle, Variant variant) throws BundleException {
        if (variant.primaryOutput < 0 || variant.primaryOutput >= variant.outputs.size()) {
            throw new BundleException("The variant '" + variant.name + "' has " + variant.outputs.size()
                    + " outputs, so output " + variant.primaryOutput + " cannot be its primary one." + AGAIN);
        }
        TensorSpec output = variant.primary();
        int values = output.rank() == 0 ? 1 : output.dimension(output.rank() - 1);
        int classes = bundle.isBinary() ? 2 : values;
        if (bundle.classifies() && bundle.labels != null && classes >= 0 && bundle.labels.size() != classes) {
            throw new BundleException("The bundle has " + bundle.labels.size() + " labels, but the output '"
                    + output.name + "' of the variant '" + variant.name + "' tells " + classes
                    + " classes apart. Make the bundle again with the labels file of this model.");
        }
    }

    private static void checkSample(Bundle bundle, GoldenSample sample) throws BundleException {
        if (bundle.takesImages() && (sample.original == null || sample.image == null || sample.pixels == null)) {
            throw new BundleException("The golden sample '" + sample.name + "' lacks its image or pixels." + AGAIN);
        }
        for (GoldenResult result : sample.results) {
            Variant variant = bundle.variant(result.variant);
            if (result.inputs.size() != variant.inputs.size() || result.outputs.size() != variant.outputs.size()) {
                throw new BundleException("The golden sample '" + sample.name + "' has " + result.inputs.size()
                        + " inputs and " + result.outputs.size() + " outputs of the variant '" + variant.name
                        + "', which has " + variant.inputs.size() + " and " + variant.outputs.size() + "." + AGAIN);
            }
        }
        for (Variant variant : bundle.variants) {
            sample.result(variant);
        }
    }
}
