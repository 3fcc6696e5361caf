package org.tflitekit.demo.ui;

import android.content.Context;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.tflitekit.core.bundle.Tolerance;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.demo.R;

/** Numbers and names as people read them. */
public final class Words {
    private Words() {}

    public static String accelerator(Context context, String name) {
        switch (name) {
            case "cpu":
                return context.getString(R.string.cpu);
            case "cpu_builtin":
                return context.getString(R.string.cpu_builtin);
            case "gpu":
                return context.getString(R.string.gpu);
            case "nnapi":
                return context.getString(R.string.nnapi);
            default:
                return name;
        }
    }

    public static List<String> accelerators(Context context, List<String> names) {
        List<String> words = new ArrayList<String>();
        for (String name : names) {
            words.add(accelerator(context, name));
        }
        return words;
    }

    public static List<String> names(List<Variant> variants) {
        List<String> names = new ArrayList<String>();
        for (Variant variant : variants) {
            names.add(variant.name);
        }
        return names;
    }

    /** Returns numbers of threads to choose from: 1, 2, 4, ... up to the processor's cores. */
    public static List<Integer> threads() {
        List<Integer> threads = new ArrayList<Integer>();
        int cores = Math.max(1, Runtime.getRuntime().availableProcessors());
        for (int count = 1; count < cores; count *= 2) {
            threads.add(count);
        }
        threads.add(cores);
        return threads;
    }

    /** Returns the names of a list with commas. */
    public static List<String> list(String text) {
        List<String> names = new ArrayList<String>();
        for (String name : text.split(",")) {
            if (!name.trim().isEmpty()) {
                names.add(name.trim());
            }
        }
        return names;
    }

    public static List<String> texts(List<?> values) {
        List<String> texts = new ArrayList<String>();
        for (Object value : values) {
            texts.add(value.toString());
        }
        return texts;
    }

    /** Returns a time with its unit and three significant digits: below 0.1 ms in microseconds. */
    public static String duration(Context context, double ms) {
        if (Double.isNaN(ms)) {
            return "–";
        }
        return 0 < ms && ms < 0.1 ? context.getString(R.string.microseconds, threeDigits(1000 * ms))
                : context.getString(R.string.milliseconds, threeDigits(ms));
    }

    private static String threeDigits(double value) {
        int digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
        return String.format(Locale.getDefault(), "%." + digits + "f", value);
    }

    public static String share(double value) {
        return String.format(Locale.getDefault(), "%.1f\u00a0%%", 100 * value);
    }

    /** Returns a share in whole percent. */
    public static String percent(double value) {
        return String.format(Locale.getDefault(), "%.0f\u00a0%%", 100 * value);
    }

    /** Returns a difference in its unit. */
    public static String difference(Context context, double value, Tolerance tolerance) {
        if (value == 0) {
            return "0";
        }
        if (Double.isInfinite(value)) {
            return "∞";
        }
        if (tolerance != null && tolerance.inSteps()) {
            int steps = (int) Math.ceil(value);
            return context.getResources().getQuantityString(R.plurals.steps, steps, String.valueOf(steps));
        }
        return String.format(Locale.getDefault(), "%.3g", value);
    }
}
