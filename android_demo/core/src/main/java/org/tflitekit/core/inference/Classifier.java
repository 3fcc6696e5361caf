package org.tflitekit.core.inference;

import java.io.IOException;
import java.nio.ByteBuffer;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.TensorSpec;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.core.image.PixelSource;

/** Classifies images with one variant. Not thread-safe; allocates nothing per image once it is warm. */
public final class Classifier implements PictureModel {
    private final Engine engine;
    private final PictureRun run;
    private final TensorSpec output;
    private final int outputIndex;
    private final boolean ranked;
    private final boolean probabilities;
    private final String[] labels;
    /** The output's real values. */
    private final float[] values;
    /** One score a class; the same array as values unless one value decides between two classes. */
    private final float[] scores;
    private final float[] softmax;
    private final Classification result;

    /**
     * Keeps as many classes as the bundle's golden results.
     *
     * @param engine with the variant loaded; closed with the classifier
     * @throws BundleException the model does not take one image
     */
    public Classifier(Bundle bundle, Variant variant, Engine engine) throws BundleException {
        this(bundle, variant, engine, Math.max(1, bundle.goldenTopK));
    }

    /**
     * Keeps some classes.
     *
     * @param engine with the variant loaded; closed with the classifier
     * @param places how many classes are kept at most
     * @throws BundleException the model does not take one image
     */
    public Classifier(Bundle bundle, Variant variant, Engine engine, int places) throws BundleException {
        run = new PictureRun(bundle, variant, engine);
        this.engine = engine;
        output = variant.primary();
        outputIndex = variant.primaryOutput;
        ranked = bundle.classifies();
        probabilities = bundle.givesProbabilities();
        values = new float[Outputs.elements(engine.output(outputIndex), output)];
        int classes = bundle.isBinary() ? 2 : values.length;
        scores = bundle.isBinary() ? new float[classes] : values;
        softmax = new float[classes];
        labels = new String[classes];
        for (int i = 0; i < classes; i++) {
            boolean named = bundle.labels != null && i < bundle.labels.size();
            labels[i] = named ? bundle.labels.get(i) : (ranked ? "class " : "value ") + i;
        }
        result = new Classification(Math.min(places, classes));
    }

    /**
     * Classifies an image.
     *
     * @return the best classes; the object is reused by the next call
     * @throws IOException the image cannot be read
     * @throws EngineException the runtime fails
     */
    public Classification classify(PixelSource source) throws IOException, EngineException {
        run.run(source);
        rank(run.output(outputIndex));
        run.time(result);
        return result;
    }

    @Override
    public Answer answer(PixelSource picture) throws IOException, EngineException {
        return classify(picture);
    }

    private void rank(ByteBuffer stored) {
        Outputs.dequantize(stored, output, values);
        result.ranked = ranked;
        result.probabilities = probabilities;
        if (scores != values) {
            Outputs.binary(values[0], probabilities, scores);
        }
        if (ranked) {
            result.count = TopK.select(scores, scores.length, result.indices);
            if (!probabilities) {
                softmax();
            }
        } else {
            result.count = result.indices.length;
            for (int i = 0; i < result.count; i++) {
                result.indices[i] = i;
            }
        }
        for (int place = 0; place < result.count; place++) {
            int index = result.indices[place];
            result.scores[place] = scores[index];
            result.softmax[place] = softmax[index];
            result.labels[place] = labels[index];
        }
        result.notANumber = false;
        for (float value : values) {
            result.notANumber |= value != value;
        }
        result.warn(result.notANumber);
    }

    private void softmax() {
        if (scores == values) {
            Outputs.softmax(values, values.length, softmax);
        } else {
            softmax[0] = 0;
            softmax[1] = values[0];
            Outputs.softmax(softmax, 2, softmax);
        }
    }

    /** Returns what runs the model. */
    public Engine engine() {
        return engine;
    }

    @Override
    public void close() {
        engine.close();
    }
}
