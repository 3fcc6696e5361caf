package org.tflitekit.demo.classify;

import android.content.Context;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import org.tflitekit.core.decode.Colors;
import org.tflitekit.core.decode.Decoded;
import org.tflitekit.core.decode.Found;
import org.tflitekit.demo.R;
import org.tflitekit.demo.ui.Words;

/** What was found in a picture, as a list in words. */
final class Findings {
    private static final int MOST_CLASSES = 65535;

    private final Context context;
    private final List<String> labels;
    private final float threshold;
    final List<Row> rows = new ArrayList<Row>();
    /** Heading of the list. */
    final String title;
    /** What is said where the list is empty. */
    final String nothing;

    /**
     * Lists what was found.
     *
     * @param labels of the classes; null where there are none
     * @param threshold objects and keypoints with a lower score are left out
     */
    Findings(Context context, Found found, List<String> labels, float threshold) {
        this.context = context;
        this.labels = labels;
        this.threshold = threshold;
        Decoded decoded = found.decoded;
        if (decoded.mask != null) {
            classes(decoded);
            title = context.getString(R.string.found_classes);
            nothing = context.getString(R.string.found_background);
            return;
        }
        nothing = context.getString(R.string.found_nothing, Words.percent(threshold));
        if (decoded.poses.length > 0) {
            poses(decoded);
            title = context.getString(R.string.found_poses, rows.size());
        } else {
            objects(decoded);
            title = context.getString(R.string.found_objects, rows.size());
        }
    }

    static String label(Context context, List<String> labels, int number) {
        return labels != null && 0 <= number && number < labels.size() ? labels.get(number)
                : context.getString(R.string.class_number, number);
    }

    private void objects(Decoded decoded) {
        for (int i = 0; i < decoded.boxes.length; i++) {
            if (decoded.scores[i] >= threshold) {
                rows.add(new Row(label(context, labels, decoded.classes[i]), Words.share(decoded.scores[i]),
                        decoded.scores[i], Colors.of(decoded.classes[i])));
            }
        }
    }

    private void poses(Decoded decoded) {
        for (float[][] pose : decoded.poses) {
            int seen = 0;
            for (float[] point : pose) {
                seen += point[2] >= threshold ? 1 : 0;
            }
            if (seen > 0) {
                rows.add(new Row(context.getString(R.string.pose, rows.size() + 1),
                        context.getString(R.string.pose_points, seen, pose.length), (float) seen / pose.length, Row.PLAIN));
            }
        }
    }

    /** Lists the classes of a mask that are there, those with most pixels first. The background has no color, and no row. */
    private void classes(Decoded decoded) {
        int most = 0;
        for (int number : decoded.mask) {
            most = Math.min(MOST_CLASSES, Math.max(most, number));
        }
        int[] pixels = new int[most + 1];
        for (int number : decoded.mask) {
            if (number >= 0 && number <= most) { // a broken accelerator may give any number
                pixels[number]++;
            }
        }
        for (int number = 1; number <= most; number++) {
            if (pixels[number] > 0) {
                float share = (float) pixels[number] / decoded.mask.length;
                rows.add(new Row(label(context, labels, number), Words.share(share), share, Colors.ofMask(number)));
            }
        }
        Collections.sort(rows, new Comparator<Row>() {
            @Override
            public int compare(Row one, Row other) {
                return Float.compare(other.share, one.share);
            }
        });
    }

    /** Returns all of it as one text, for screen readers. */
    String spoken() {
        if (rows.isEmpty()) {
            return nothing;
        }
        StringBuilder text = new StringBuilder(title);
        for (Row row : rows) {
            text.append(". ").append(context.getString(R.string.class_share, row.label, row.value));
        }
        return text.toString();
    }
}
