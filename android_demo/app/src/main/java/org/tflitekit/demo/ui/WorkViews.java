package org.tflitekit.demo.ui;

import android.app.Activity;
import android.content.Intent;
import android.view.View;
import android.view.ViewGroup;
import android.widget.Button;
import android.widget.ProgressBar;
import android.widget.ScrollView;
import android.widget.TextView;
import java.io.IOException;
import org.tflitekit.demo.R;
import org.tflitekit.demo.share.ReportProvider;

/** The common views of verify and benchmark: start and cancel, progress, share. */
public final class WorkViews {
    /** What the buttons do. */
    public interface Actions {
        void start();

        void cancel();

        /** Returns what is shared; null where there is nothing. */
        String json();
    }

    private final Activity activity;
    private final int startText;
    private boolean running;

    public WorkViews(Activity activity, int title, int intro, int startText, final String fileName, final Actions actions) {
        this.activity = activity;
        this.startText = startText;
        text(R.id.title).setText(title);
        text(R.id.intro).setText(intro);
        activity.findViewById(R.id.start).setOnClickListener(new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                if (running) {
                    actions.cancel();
                } else {
                    actions.start();
                }
            }
        });
        activity.findViewById(R.id.share).setOnClickListener(new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                share(fileName, actions.json());
            }
        });
    }

    private void share(String name, String json) {
        if (json == null) {
            return;
        }
        try {
            Intent intent = ReportProvider.share(activity, name, json);
            activity.startActivity(intent);
        } catch (IOException error) {
            note("The file cannot be shared: " + error.getMessage());
        }
    }

    public ViewGroup options() {
        return (ViewGroup) activity.findViewById(R.id.options);
    }

    public ViewGroup results() {
        return (ViewGroup) activity.findViewById(R.id.results);
    }

    /** Adds the name of an option. */
    public void label(int words) {
        TextView label = (TextView) activity.getLayoutInflater().inflate(R.layout.label, options(), false);
        label.setText(words);
        options().addView(label);
    }

    public void show(boolean ready, boolean isRunning, boolean hasResult) {
        running = isRunning;
        Button start = (Button) activity.findViewById(R.id.start);
        start.setEnabled(ready);
        start.setText(isRunning ? R.string.cancel : startText);
        activity.findViewById(R.id.share).setVisibility(hasResult ? View.VISIBLE : View.GONE);
        results().setVisibility(hasResult ? View.VISIBLE : View.GONE);
    }

    /** Brings new results into view. */
    public void scrollToResults() {
        final ScrollView scroll = (ScrollView) activity.findViewById(R.id.scroll);
        final View results = results();
        results.addOnLayoutChangeListener(new View.OnLayoutChangeListener() {
            @Override
            public void onLayoutChange(View view, int left, int top, int right, int bottom, int oldLeft, int oldTop,
                    int oldRight, int oldBottom) {
                results.removeOnLayoutChangeListener(this); // only now is the place of the results known
                scroll.post(new Runnable() {
                    @Override
                    public void run() {
                        scroll.smoothScrollTo(0, results.getTop() + scroll.getPaddingTop() / 2);
                    }
                });
            }
        });
    }

    /** Shows how far it is. */
    public void progress(int finished, int planned, String words) {
        note(words);
        ProgressBar bar = (ProgressBar) activity.findViewById(R.id.progress_bar);
        bar.setVisibility(View.VISIBLE);
        bar.setMax(Math.max(1, planned));
        bar.setProgress(Math.min(finished, planned));
    }

    /** Shows words where the progress was; hides both without words. */
    public void note(String words) {
        activity.findViewById(R.id.progress).setVisibility(words == null ? View.GONE : View.VISIBLE);
        activity.findViewById(R.id.progress_bar).setVisibility(View.GONE);
        text(R.id.progress_text).setText(words == null ? "" : words);
    }

    private TextView text(int id) {
        return (TextView) activity.findViewById(id);
    }
}
