package org.tflitekit.demo.verify;

import android.app.Activity;
import android.content.res.ColorStateList;
import android.view.View;
import android.view.ViewGroup;
import android.view.accessibility.AccessibilityNodeInfo;
import android.widget.ImageView;
import android.widget.TextView;
import org.tflitekit.core.bundle.Tolerance;
import org.tflitekit.core.verify.ImageCheck;
import org.tflitekit.core.verify.OutputCheck;
import org.tflitekit.core.verify.RunCheck;
import org.tflitekit.core.verify.SampleCheck;
import org.tflitekit.core.verify.Verdict;
import org.tflitekit.core.verify.Verification;
import org.tflitekit.demo.R;
import org.tflitekit.demo.ui.Words;

/** A verification as a list: an icon and a word for each check, details when it is touched. */
final class CheckRows {
    private final Activity activity;
    private final ViewGroup rows;

    CheckRows(Activity activity, ViewGroup rows) {
        this.activity = activity;
        this.rows = rows;
    }

    void show(Verification verification) {
        rows.removeAllViews();
        add(verification.passed() ? Verdict.PASSED : worst(verification), verification.bundle,
                verification.summary(), null);
        if (!verification.images.isEmpty()) {
            images(verification);
        }
        for (RunCheck check : verification.runs) {
            String on = check.actualAccelerator == null ? check.requestedAccelerator : check.actualAccelerator;
            add(check.verdict, activity.getString(R.string.verify_run, check.variant, Words.accelerator(activity, on)),
                    text(check), details(check));
        }
    }

    private static Verdict worst(Verification verification) {
        Verdict worst = Verdict.NOT_JUDGED;
        for (ImageCheck check : verification.images) {
            worst = check.verdict.compareTo(worst) > 0 ? check.verdict : worst;
        }
        for (RunCheck check : verification.runs) {
            worst = check.verdict.compareTo(worst) > 0 ? check.verdict : worst;
        }
        return worst;
    }

    private void images(Verification verification) {
        int same = 0;
        int decoder = 0;
        Verdict worst = Verdict.PASSED;
        StringBuilder details = new StringBuilder();
        for (ImageCheck check : verification.images) {
            same += check.verdict == Verdict.PASSED ? 1 : 0;
            decoder = Math.max(decoder, check.decodeDifference);
            worst = check.verdict.compareTo(worst) > 0 ? check.verdict : worst;
            if (check.message != null) {
                details.append(check.sample).append(": ").append(check.message).append('\n');
            }
        }
        details.append(activity.getString(R.string.decoder_note, decoder));
        int count = verification.images.size();
        add(worst, activity.getString(R.string.verify_pixels),
                activity.getResources().getQuantityString(R.plurals.images_same, count, same, count), details.toString());
    }

    private String text(RunCheck check) {
        if (check.verdict == Verdict.ERROR || check.worst == null) {
            return check.message;
        }
        Tolerance tolerance = check.worst.tolerance;
        if (tolerance.judges() && check.worst.difference == 0) {
            return activity.getString(R.string.exact);
        }
        String difference = Words.difference(activity, check.worst.difference, tolerance);
        return tolerance.judges()
                ? activity.getString(R.string.largest_difference, difference,
                        Words.difference(activity, tolerance.maxDifference, tolerance))
                : activity.getString(R.string.largest_difference_unjudged, difference);
    }

    private String details(RunCheck check) {
        StringBuilder details = new StringBuilder();
        if (check.accelerationDetail != null) {
            details.append(check.accelerationDetail).append('\n');
        }
        if (check.worst != null) {
            OutputCheck worst = check.worst;
            details.append(worst.isOnlyOne ? worst.tolerance.reason
                    : activity.getString(R.string.output_reason, worst.output.name, worst.tolerance.reason))
                    .append('\n');
        }
        for (SampleCheck sample : check.samples) {
            String word = activity.getString(word(sample.verdict));
            String remarks = (sample.inputEqual ? "" : activity.getString(R.string.input_differs))
                    + (sample.sameTop1 ? "" : activity.getString(R.string.class_differs))
                    + (sample.message == null ? "" : " – " + sample.message);
            details.append(activity.getString(R.string.sample_line, sample.sample, word,
                    sample.worst == null ? activity.getString(R.string.unknown)
                            : Words.difference(activity, sample.worst.difference, sample.worst.tolerance),
                    remarks)).append('\n');
        }
        return details.toString().trim();
    }

    private void add(Verdict verdict, String name, String text, final String details) {
        View row = activity.getLayoutInflater().inflate(R.layout.check_row, rows, false);
        ImageView icon = (ImageView) row.findViewById(R.id.check_icon);
        icon.setImageResource(icon(verdict));
        icon.setBackgroundResource(chip(verdict));
        icon.setImageTintList(ColorStateList.valueOf(activity.getColor(color(verdict))));
        ((TextView) row.findViewById(R.id.check_name)).setText(name);
        ((TextView) row.findViewById(R.id.check_text)).setText(text);
        TextView word = (TextView) row.findViewById(R.id.check_verdict);
        word.setText(word(verdict));
        word.setTextColor(activity.getColor(color(verdict)));
        if (details != null && !details.isEmpty()) {
            opens(row, details);
        }
        rows.addView(row);
    }

    /** A touch shows the details and hides them; an arrow says so, and to screen readers the name of the action. */
    private static void opens(View row, String text) {
        final TextView details = (TextView) row.findViewById(R.id.check_details);
        final View arrow = row.findViewById(R.id.check_more);
        details.setText(text);
        arrow.setVisibility(View.VISIBLE);
        row.setOnClickListener(new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                boolean open = details.getVisibility() != View.VISIBLE;
                details.setVisibility(open ? View.VISIBLE : View.GONE);
                arrow.setRotation(open ? 180 : 0);
            }
        });
        row.setAccessibilityDelegate(new View.AccessibilityDelegate() {
            @Override
            public void onInitializeAccessibilityNodeInfo(View host, AccessibilityNodeInfo info) {
                super.onInitializeAccessibilityNodeInfo(host, info);
                boolean open = details.getVisibility() == View.VISIBLE;
                info.addAction(new AccessibilityNodeInfo.AccessibilityAction(AccessibilityNodeInfo.ACTION_CLICK,
                        host.getContext().getString(open ? R.string.hide_details : R.string.show_details)));
            }
        });
    }

    private static int word(Verdict verdict) {
        switch (verdict) {
            case PASSED:
                return R.string.verdict_passed;
            case FAILED:
                return R.string.verdict_failed;
            case NOT_JUDGED:
                return R.string.verdict_not_judged;
            default:
                return R.string.verdict_error;
        }
    }

    private static int icon(Verdict verdict) {
        switch (verdict) {
            case PASSED:
                return R.drawable.ic_pass;
            case FAILED:
                return R.drawable.ic_fail;
            case NOT_JUDGED:
                return R.drawable.ic_unjudged;
            default:
                return R.drawable.ic_error;
        }
    }

    private static int chip(Verdict verdict) {
        switch (verdict) {
            case PASSED:
                return R.drawable.chip_pass;
            case NOT_JUDGED:
                return R.drawable.chip_caution;
            default:
                return R.drawable.chip_fail;
        }
    }

    private static int color(Verdict verdict) {
        switch (verdict) {
            case PASSED:
                return R.color.pass;
            case NOT_JUDGED:
                return R.color.caution;
            default:
                return R.color.fail;
        }
    }
}
