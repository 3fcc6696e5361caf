package org.tflitekit.demo.ui;

import android.view.ViewGroup;
import android.widget.CheckBox;
import java.util.ArrayList;
import java.util.List;
import org.tflitekit.demo.R;

/** Some things of which several can be chosen. */
public final class Checks {
    private final ViewGroup group;
    private final List<String> values = new ArrayList<String>();
    private final List<CheckBox> boxes = new ArrayList<CheckBox>();

    public Checks(ViewGroup group) {
        this.group = group;
    }

    /** Offers values; does nothing when there are some already. */
    public void offer(List<String> offered, List<String> names, List<String> chosen) {
        if (!values.isEmpty()) {
            return;
        }
        for (int i = 0; i < offered.size(); i++) {
            CheckBox box = new CheckBox(group.getContext());
            box.setText(names.get(i));
            box.setTextColor(group.getContext().getColor(R.color.text));
            box.setMinHeight(group.getResources().getDimensionPixelSize(R.dimen.touch));
            box.setChecked(chosen.contains(offered.get(i)));
            box.setId(i + 1); // with an id the system keeps the choice when the device is turned
            group.addView(box, new ViewGroup.LayoutParams(
                    ViewGroup.LayoutParams.MATCH_PARENT, ViewGroup.LayoutParams.WRAP_CONTENT));
            values.add(offered.get(i));
            boxes.add(box);
        }
    }

    public void setEnabled(boolean enabled) {
        for (CheckBox box : boxes) {
            box.setEnabled(enabled);
        }
    }

    /** Returns what is chosen, in the order in which it was offered. */
    public List<String> chosen() {
        List<String> chosen = new ArrayList<String>();
        for (int i = 0; i < values.size(); i++) {
            if (boxes.get(i).isChecked()) {
                chosen.add(values.get(i));
            }
        }
        return chosen;
    }
}
