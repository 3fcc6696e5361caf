package org.tflitekit.demo.classify;

import org.tflitekit.core.inference.Classification;

/** The last result, copied between threads without allocating. */
final class Shown {
    /** How much a new time of a camera's frame counts against those before. */
    private static final double NEW = 0.2;

    int count;
    String[] labels = new String[0];
    float[] scores = new float[0];
    float[] softmax = new float[0];
    boolean ranked;
    boolean probabilities;
    String warning;
    double preprocessMs;
    double inferenceMs;
    double postprocessMs;

    void clear() {
        count = 0;
        warning = null;
    }

    /** @param smooth whether times are averaged with those before */
    void set(Classification result, boolean smooth) {
        boolean goesOn = smooth && count > 0;
        ensure(result.count);
        System.arraycopy(result.labels, 0, labels, 0, result.count);
        System.arraycopy(result.scores, 0, scores, 0, result.count);
        System.arraycopy(result.softmax, 0, softmax, 0, result.count);
        count = result.count;
        ranked = result.ranked;
        probabilities = result.probabilities;
        warning = result.warning;
        preprocessMs = mean(preprocessMs, result.preprocessNanos, goesOn);
        inferenceMs = mean(inferenceMs, result.inferenceNanos, goesOn);
        postprocessMs = mean(postprocessMs, result.postprocessNanos, goesOn);
    }

    void set(Shown other) {
        ensure(other.count);
        System.arraycopy(other.labels, 0, labels, 0, other.count);
        System.arraycopy(other.scores, 0, scores, 0, other.count);
        System.arraycopy(other.softmax, 0, softmax, 0, other.count);
        count = other.count;
        ranked = other.ranked;
        probabilities = other.probabilities;
        warning = other.warning;
        preprocessMs = other.preprocessMs;
        inferenceMs = other.inferenceMs;
        postprocessMs = other.postprocessMs;
    }

    private void ensure(int places) {
        if (labels.length < places) {
            labels = new String[places];
            scores = new float[places];
            softmax = new float[places];
        }
    }

    private static double mean(double before, long nanos, boolean goesOn) {
        double now = nanos / 1e6;
        return goesOn ? before + NEW * (now - before) : now;
    }
}
