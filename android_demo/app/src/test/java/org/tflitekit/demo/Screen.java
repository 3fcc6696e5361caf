package org.tflitekit.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;
import static org.robolectric.Shadows.shadowOf;

import android.app.Activity;
import android.content.Intent;
import android.content.res.Configuration;
import android.graphics.Bitmap;
import android.os.Handler;
import android.os.Looper;
import android.view.PixelCopy;
import android.view.View;
import android.view.ViewGroup;
import android.widget.Spinner;
import android.widget.TextView;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import org.robolectric.Robolectric;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ActivityController;

/** An activity on its screen, used as a person does: what is there to read, and what can be touched. */
final class Screen<A extends Activity> implements AutoCloseable {
    private static final String SOFT_HYPHEN = "\u00AD";
    private static final long PATIENCE_SECONDS = 240;

    private ActivityController<A> controller;

    private Screen(ActivityController<A> controller) {
        this.controller = controller;
    }

    static <A extends Activity> Screen<A> open(Class<A> type) {
        return open(type, new Intent(RuntimeEnvironment.getApplication(), type));
    }

    static <A extends Activity> Screen<A> open(Class<A> type, Intent intent) {
        return new Screen<>(Robolectric.buildActivity(type, intent).setup());
    }

    A activity() {
        return controller.get();
    }

    ActivityController<A> controller() {
        return controller;
    }

    /** Turns the phone, or darkens it: the activity is made anew, as Android does. */
    void change(String qualifier) {
        RuntimeEnvironment.setQualifiers("+" + qualifier);
        Configuration configuration = RuntimeEnvironment.getApplication().getResources().getConfiguration();
        controller.configurationChange(configuration).visible();
        assertEquals(configuration.orientation, activity().getResources().getConfiguration().orientation);
        idle();
    }

    View find(int id) {
        View view = activity().findViewById(id);
        assertNotNull("There is no view " + activity().getResources().getResourceEntryName(id) + ".", view);
        return view;
    }

    String text(int id) {
        return ((TextView) find(id)).getText().toString();
    }

    void click(int id) {
        click(find(id));
    }

    void click(View view) {
        assertTrue("not to be seen: " + view, view.isShown());
        assertTrue("not enabled: " + view, view.isEnabled());
        assertTrue("not to be touched: " + view, view.isClickable());
        view.performClick();
        idle();
    }

    /** Touches what shows a text. */
    void click(String text) {
        for (View view : visible(view -> view instanceof TextView && text.contentEquals(((TextView) view).getText()))) {
            for (View target = view; target != null;
                    target = target.getParent() instanceof View ? (View) target.getParent() : null) {
                if (target.hasOnClickListeners()) {
                    click(target);
                    return;
                }
            }
        }
        fail("Nothing to touch shows '" + text + "'. The screen shows:\n" + this);
    }

    /** Chooses what a spinner offers. */
    void choose(int id, String name) {
        Spinner spinner = (Spinner) find(id);
        for (int i = 0; i < spinner.getCount(); i++) {
            if (name.equals(spinner.getItemAtPosition(i))) {
                spinner.setSelection(i);
                idle();
                return;
            }
        }
        fail("There is no '" + name + "' to choose.");
    }

    List<View> visible(Predicate<View> wanted) {
        List<View> found = new ArrayList<>();
        collect(activity().getWindow().getDecorView(), wanted, found);
        return found;
    }

    private static void collect(View view, Predicate<View> wanted, List<View> found) {
        if (view.getVisibility() != View.VISIBLE) {
            return;
        }
        if (wanted.test(view)) {
            found.add(view);
        }
        if (view instanceof ViewGroup) {
            for (int i = 0; i < ((ViewGroup) view).getChildCount(); i++) {
                collect(((ViewGroup) view).getChildAt(i), wanted, found);
            }
        }
    }

    boolean shows(String part) {
        return toString().contains(part);
    }

    /** Returns what is said to be wrong; empty where nothing is. */
    String problem() {
        return find(R.id.problem).isShown() ? text(R.id.problem) : "";
    }

    void idle() {
        shadowOf(Looper.getMainLooper()).idle();
    }

    /** Lets background work and the main thread go on until something is so. */
    void await(String what, BooleanSupplier condition) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        idle();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                fail("Waited in vain for: " + what + ". The screen shows:\n" + this);
            }
            try {
                Thread.sleep(10);
            } catch (InterruptedException error) {
                throw new AssertionError(error);
            }
            shadowOf(Looper.getMainLooper()).idleFor(10, TimeUnit.MILLISECONDS);
        }
    }

    void awaitText(String part) {
        await("'" + part + "'", () -> shows(part));
    }

    /** Returns all that can be read, a line for each text. */
    @Override
    public String toString() {
        StringBuilder lines = new StringBuilder();
        for (View view : visible(view -> view instanceof TextView)) {
            CharSequence text = ((TextView) view).getText();
            if (text.length() > 0) {
                lines.append(text.toString().replace(SOFT_HYPHEN, "")).append('\n');
            }
        }
        return lines.toString();
    }

    /** Returns the pixels that the window draws, with shadows. */
    Bitmap picture() {
        System.setProperty("robolectric.pixelCopyRenderMode", "hardware");
        shadowOf(Looper.getMainLooper()).idleFor(3, TimeUnit.SECONDS); // animations end, scroll bars fade
        View decor = activity().getWindow().getDecorView();
        Bitmap bitmap = Bitmap.createBitmap(decor.getWidth(), decor.getHeight(), Bitmap.Config.ARGB_8888);
        AtomicInteger result = new AtomicInteger(-1);
        PixelCopy.request(activity().getWindow(), bitmap, result::set, new Handler(Looper.getMainLooper()));
        idle();
        assertEquals(PixelCopy.SUCCESS, result.get());
        return bitmap;
    }

    @Override
    public void close() {
        controller.close();
    }
}
