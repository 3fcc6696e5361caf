package org.tflitekit.demo.classify;

import org.tflitekit.core.decode.Found;
import org.tflitekit.core.inference.Answer;
import org.tflitekit.core.inference.Classification;

/** The last result, copied between threads; that of a classifier without allocating. */
final class Shown {
    /** How much a new time of a camera's frame counts against those before. */
    private static final double NEW = 0.2;

    /** Places of a classification that are filled. */
    int count;
    String[] labels = new String[0];
    float[] scores = new float[0];
    float[] softmax = new float[0];
    boolean ranked;
    boolean probabilities;
    /** Objects, classes of pixels, or poses; null where the model classifies. */
    Found found;
    String warning;
    double preprocessMs;
    double inferenceMs;
    double postprocessMs;

    void clear() {
        count = 0;
        found = null;
        warning = null;
    }

    boolean isEmpty() {
        return count == 0 && found == null;
    }

    /** @param smooth whether times are averaged with those before */
    void set(Answer answer, boolean smooth) {
        boolean goesOn = smooth && !isEmpty();
        clear();
        if (answer instanceof Classification) {
            set((Classification) answer);
        } else {
            found = (Found) answer;
        }
        warning = answer.warning;
        preprocessMs = mean(preprocessMs, answer.preprocessNanos, goesOn);
        inferenceMs = mean(inferenceMs, answer.inferenceNanos, goesOn);
        postprocessMs = mean(postprocessMs, answer.postprocessNanos, goesOn);
    }

    private void set(Classification result) {
        copy(result.count, result.labels, result.scores, result.softmax);
        ranked = result.ranked;
        probabilities = result.probabilities;
    }

    void set(Shown other) {
        copy(other.count, other.labels, other.scores, other.softmax);
        ranked = other.ranked;
        probabilities = other.probabilities;
        found = other.found;
        warning = other.warning;
        preprocessMs = other.preprocessMs;
        inferenceMs = other.inferenceMs;
        postprocessMs = other.postprocessMs;
    }

    private void copy(int places, String[] newLabels, float[] newScores, float[] newSoftmax) {
        if (labels.length < places) {
            labels = new String[places];
            scores = new float[places];
            softmax = new float[places];
        }
        System.arraycopy(newLabels, 0, labels, 0, places);
        System.arraycopy(newScores, 0, scores, 0, places);
        System.arraycopy(newSoftmax, 0, softmax, 0, places);
        count = places;
    }

    private static double mean(double before, long nanos, boolean goesOn) {
        double now = nanos / 1e6;
        return goesOn ? before + NEW * (now - before) : now;
    }
}
