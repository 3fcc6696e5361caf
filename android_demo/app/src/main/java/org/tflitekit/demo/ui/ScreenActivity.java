package org.tflitekit.demo.ui;

import android.annotation.TargetApi;
import android.app.Activity;
import android.content.Intent;
import android.graphics.Insets;
import android.os.Build;
import android.os.Bundle;
import android.util.TypedValue;
import android.view.View;
import android.view.ViewGroup;
import android.view.WindowInsets;
import android.widget.ImageView;
import android.widget.TextView;
import org.tflitekit.demo.R;
import org.tflitekit.demo.device.Services;

/** A screen with the navigation below it. */
public abstract class ScreenActivity<W extends Work> extends Activity {
    /** Extra of intents: the name of a bundle in the app's own storage. */
    public static final String EXTRA_BUNDLE = "bundle";

    private W work;

    /** Returns the layout of the part above the navigation. */
    protected abstract int layout();

    protected abstract W newWork(Services services, String bundleName);

    /** Shows the state of the work; often. */
    protected abstract void render();

    /** Called once for each work, after its views are there. */
    protected void begin(Intent intent) {}

    protected final W work() {
        return work;
    }

    protected final Services services() {
        return host().services();
    }

    private ScreenHost host() {
        return (ScreenHost) getApplication();
    }

    @Override
    @SuppressWarnings({"unchecked", "deprecation"}) // fragments with a retained state are no better
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        setContentView(R.layout.screen);
        getLayoutInflater().inflate(layout(), (ViewGroup) findViewById(R.id.content));
        navigation();
        findViewById(R.id.root).setOnApplyWindowInsetsListener(new View.OnApplyWindowInsetsListener() {
            @Override
            public WindowInsets onApplyWindowInsets(View view, WindowInsets insets) {
                applyInsets(view, insets);
                return insets;
            }
        });
        work = (W) getLastNonConfigurationInstance();
        boolean fresh = work == null;
        if (fresh) {
            work = newWork(services(), getIntent().getStringExtra(EXTRA_BUNDLE));
        }
        work.attach(this);
        onViews();
        if (fresh) {
            work.load();
            if (saved == null || Intent.ACTION_SEND.equals(getIntent().getAction())) {
                begin(getIntent()); // a run that the system restores after it ended the app is not started again
            }
        }
        render();
    }

    /** The views are there, and the work. */
    protected void onViews() {}

    /** Another bundle or another run: the screen starts anew. */
    @Override
    protected void onNewIntent(Intent intent) {
        super.onNewIntent(intent);
        String wanted = intent.getStringExtra(EXTRA_BUNDLE);
        String shown = getIntent().getStringExtra(EXTRA_BUNDLE);
        boolean same = wanted == null ? shown == null : wanted.equals(shown);
        setIntent(intent);
        if (same) {
            begin(intent);
            render();
            return;
        }
        work.detach();
        work.close();
        work = newWork(services(), wanted);
        work.attach(this);
        onViews();
        work.load();
        begin(intent);
        render();
    }

    @Override
    @SuppressWarnings("deprecation")
    public Object onRetainNonConfigurationInstance() {
        return work;
    }

    @Override
    protected void onDestroy() {
        super.onDestroy();
        work.detach();
        if (!isChangingConfigurations()) {
            work.close();
        }
    }

    /** Shows what is wrong, or nothing. */
    protected final void showProblem(String words) {
        TextView view = (TextView) findViewById(R.id.problem);
        if (words == null) {
            view.setVisibility(View.GONE);
        } else if (view.getVisibility() != View.VISIBLE || !words.contentEquals(view.getText())) {
            view.setText(words);
            view.setVisibility(View.VISIBLE);
        }
    }

    private void navigation() {
        ViewGroup bar = (ViewGroup) findViewById(R.id.navigation);
        for (Tab tab : host().tabs()) {
            bar.addView(item(bar, tab));
        }
    }

    private View item(ViewGroup bar, final Tab tab) {
        View item = getLayoutInflater().inflate(R.layout.nav_item, bar, false);
        ((ImageView) item.findViewById(R.id.nav_icon)).setImageResource(tab.icon);
        TextView name = (TextView) item.findViewById(R.id.nav_label);
        name.setText(tab.label);
        float largest = getResources().getDimension(R.dimen.largest_nav_label); // four names share the width
        name.setTextSize(TypedValue.COMPLEX_UNIT_PX, Math.min(name.getTextSize(), largest));
        item.setContentDescription(getString(tab.label));
        item.setSelected(tab.activity == getClass());
        item.setOnClickListener(new View.OnClickListener() {
            @Override
            public void onClick(View view) {
                go(tab);
            }
        });
        return item;
    }

    private void go(Tab tab) {
        if (tab.activity != getClass()) {
            Intent intent = new Intent(this, tab.activity);
            intent.addFlags(Intent.FLAG_ACTIVITY_REORDER_TO_FRONT | Intent.FLAG_ACTIVITY_NO_ANIMATION);
            intent.putExtra(EXTRA_BUNDLE, getIntent().getStringExtra(EXTRA_BUNDLE));
            startActivity(intent);
        }
    }

    /** Since target SDK 35 the app draws behind the system's bars. */
    private static void applyInsets(View root, WindowInsets insets) {
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.R) {
            applyNewInsets(root, insets);
        } else {
            applyOldInsets(root, insets);
        }
    }

    @TargetApi(30)
    private static void applyNewInsets(View root, WindowInsets insets) {
        Insets bars = insets.getInsets(WindowInsets.Type.systemBars() | WindowInsets.Type.displayCutout());
        root.setPadding(bars.left, bars.top, bars.right, 0);
        root.findViewById(R.id.navigation).setPadding(0, 0, 0, bars.bottom);
    }

    @SuppressWarnings("deprecation")
    private static void applyOldInsets(View root, WindowInsets insets) {
        root.setPadding(insets.getSystemWindowInsetLeft(), insets.getSystemWindowInsetTop(),
                insets.getSystemWindowInsetRight(), 0);
        root.findViewById(R.id.navigation).setPadding(0, 0, 0, insets.getSystemWindowInsetBottom());
    }
}
