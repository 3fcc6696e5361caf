package org.tflitekit.demo.classify;

import android.app.Activity;
import android.view.View;
import android.widget.SeekBar;
import android.widget.TextView;
import org.tflitekit.demo.R;
import org.tflitekit.demo.ui.Words;

/** The slider for the score from which on objects and keypoints are shown. */
final class ThresholdView implements SeekBar.OnSeekBarChangeListener {
    private final Activity activity;
    private final ClassifyWork work;
    private final SeekBar bar;
    private final TextView label;
    private final View whole;

    ThresholdView(Activity activity, ClassifyWork work) {
        this.activity = activity;
        this.work = work;
        whole = activity.findViewById(R.id.threshold);
        label = (TextView) activity.findViewById(R.id.threshold_label);
        bar = (SeekBar) activity.findViewById(R.id.threshold_bar);
        bar.setProgress(Math.round(100 * work.threshold()));
        bar.setOnSeekBarChangeListener(this);
    }

    /** @param needed whether what is shown has scores */
    void show(boolean needed) {
        whole.setVisibility(needed ? View.VISIBLE : View.GONE);
        label.setText(activity.getString(R.string.threshold, Words.percent(work.threshold())));
    }

    @Override
    public void onProgressChanged(SeekBar changed, int progress, boolean byUser) {
        if (byUser) {
            work.setThreshold(progress / 100f);
        }
    }

    @Override
    public void onStartTrackingTouch(SeekBar touched) {}

    @Override
    public void onStopTrackingTouch(SeekBar touched) {}
}
