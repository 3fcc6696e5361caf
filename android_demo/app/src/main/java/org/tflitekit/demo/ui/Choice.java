package org.tflitekit.demo.ui;

import android.R;
import android.view.View;
import android.widget.AdapterView;
import android.widget.ArrayAdapter;
import android.widget.Spinner;
import java.util.ArrayList;
import java.util.List;

/** A spinner of names for people that stand for values. */
public final class Choice<T> {
    /** Is told what a person chose. */
    public interface Listener<T> {
        void onChosen(T value);
    }

    private final Spinner spinner;
    private final List<T> values = new ArrayList<T>();
    private T shown;

    public Choice(Spinner spinner, final Listener<T> listener) {
        this.spinner = spinner;
        spinner.setOnItemSelectedListener(new AdapterView.OnItemSelectedListener() {
            @Override
            public void onItemSelected(AdapterView<?> parent, View view, int position, long id) {
                T value = values.get(position);
                if (!value.equals(shown)) {
                    shown = value;
                    listener.onChosen(value);
                }
            }

            @Override
            public void onNothingSelected(AdapterView<?> parent) {}
        });
    }

    /** Offers values; does nothing when these are offered already. */
    public void offer(List<T> offered, List<String> names, T selected) {
        if (!offered.equals(values)) {
            values.clear();
            values.addAll(offered);
            ArrayAdapter<String> adapter =
                    new ArrayAdapter<String>(spinner.getContext(), R.layout.simple_spinner_item, names);
            adapter.setDropDownViewResource(R.layout.simple_spinner_dropdown_item);
            shown = selected;
            spinner.setAdapter(adapter);
        }
        if (values.contains(selected) && (!selected.equals(shown) || spinner.getSelectedItemPosition() != values.indexOf(selected))) {
            shown = selected;
            spinner.setSelection(values.indexOf(selected));
        }
    }

    /** Returns what is chosen; null before something is offered. */
    public T value() {
        return shown;
    }

    public void setEnabled(boolean enabled) {
        spinner.setEnabled(enabled);
    }
}
