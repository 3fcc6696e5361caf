package org.tflitekit.demo;

import static org.junit.Assert.assertEquals;

import android.content.Intent;
import android.content.res.Resources;
import android.view.View;
import android.view.ViewGroup;
import android.widget.ImageView;
import android.widget.Spinner;
import android.widget.TextView;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.tflitekit.core.bundle.Bundle;

/** Every screen with content: what can be touched is large enough and says what it does; large text is not cut. */
@RunWith(RobolectricTestRunner.class)
public class AccessibilityTest {
    private interface Check {
        void on(Screen<?> screen, String where, List<String> wrong);
    }

    private HostServices services;

    @Before
    public void open() {
        services = HostServices.install();
    }

    private List<String> onAllScreens(Check check) throws Exception {
        List<String> wrong = new ArrayList<>();
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class)) {
            screen.awaitText("Runs on: CPU");
            check.on(screen, "nothing drawn", wrong);
            ClassifyTest.drawZero(screen.find(R.id.drawing));
            screen.awaitText("Inference");
            check.on(screen, "drawn", wrong);
            screen.change("land");
            check.on(screen, "drawn, landscape", wrong);
            screen.change("port");
            screen.click(R.id.source_camera);
            check.on(screen, "camera", wrong);
            screen.click(R.id.source_photo);
            check.on(screen, "photo", wrong);
        }
        try (Screen<VerifyActivity> screen = Screen.open(VerifyActivity.class)) {
            screen.await("start", () -> screen.find(R.id.start).isEnabled());
            check.on(screen, "verify", wrong);
            WorkTest.check(screen, "GPU", true);
            screen.click(R.id.start);
            screen.awaitText("Could not run");
            screen.click("int8 on CPU");
            check.on(screen, "verified", wrong);
        }
        try (Screen<BenchActivity> screen = Screen.open(BenchActivity.class)) {
            screen.await("start", () -> screen.find(R.id.start).isEnabled());
            check.on(screen, "benchmark", wrong);
        }
        try (Screen<ModelActivity> screen = Screen.open(ModelActivity.class)) {
            screen.awaitText("Recommended");
            check.on(screen, "model", wrong);
        }
        Bundle detection = FoundTest.use(services, "detection");
        Intent photo = ClassifyTest.share(detection.bytes(detection.golden.get(0).original));
        try (Screen<ClassifyActivity> screen = Screen.open(ClassifyActivity.class, photo)) {
            screen.awaitText("Objects: ");
            check.on(screen, "objects found", wrong);
        }
        return wrong;
    }

    private static boolean isSelectableText(View view) {
        return view instanceof TextView && ((TextView) view).isTextSelectable();
    }

    /** Returns whether a screen reader has something to say. */
    private static boolean speaks(View view) {
        if (view.getContentDescription() != null && view.getContentDescription().length() > 0) {
            return true;
        }
        if (view instanceof TextView && ((TextView) view).getText().length() > 0) {
            return true;
        }
        if (view instanceof ViewGroup && !(view instanceof Spinner)) {
            for (int i = 0; i < ((ViewGroup) view).getChildCount(); i++) {
                if (speaks(((ViewGroup) view).getChildAt(i))) {
                    return true;
                }
            }
        }
        return false;
    }

    private static boolean isLabelled(Screen<?> screen, View view) {
        return !screen.visible(label -> label.getLabelFor() != View.NO_ID && label.getLabelFor() == view.getId()).isEmpty();
    }

    @Test
    public void whatCanBeTouchedIsLargeEnoughAndSpeaks() throws Exception {
        int least = Math.round(48 * Resources.getSystem().getDisplayMetrics().density);
        assertEquals(Collections.emptyList(), onAllScreens((screen, where, wrong) -> {
            for (View view : screen.visible(view -> view.isClickable() && view.isShown() && !isSelectableText(view))) {
                if (view.getWidth() < least || view.getHeight() < least) {
                    wrong.add(where + ": " + view.getWidth() + " x " + view.getHeight() + " pixels, not " + least + ": " + view);
                }
                if (!speaks(view) && !isLabelled(screen, view)) {
                    wrong.add(where + ": says nothing: " + view);
                }
            }
        }));
    }

    @Test
    public void picturesSpeakOrAreDecoration() throws Exception {
        assertEquals(Collections.emptyList(), onAllScreens((screen, where, wrong) -> {
            for (View view : screen.visible(view -> view instanceof ImageView && view.isShown())) {
                if (view.isImportantForAccessibility() && !speaks(view)) {
                    wrong.add(where + ": " + view);
                }
            }
        }));
    }

    @Test
    public void largeTextIsNotCutOff() throws Exception {
        RuntimeEnvironment.setFontScale(1.5f);
        assertEquals(Collections.emptyList(), onAllScreens((screen, where, wrong) -> {
            for (View view : screen.visible(view -> view instanceof TextView && view.isShown())) {
                TextView text = (TextView) view;
                if (text.getLayout() == null || text.length() == 0) {
                    continue;
                }
                int lines = text.getLayout().getLineCount();
                boolean ellipsis = text.getLayout().getEllipsisCount(lines - 1) > 0;
                int room = text.getHeight() - text.getCompoundPaddingTop() - text.getCompoundPaddingBottom();
                boolean low = text.getLayout().getHeight() > room + 1;
                boolean split = false;
                for (int line = 0; line + 1 < lines; line++) {
                    char last = text.getText().charAt(text.getLayout().getLineEnd(line) - 1);
                    char next = text.getText().charAt(text.getLayout().getLineEnd(line));
                    split |= Character.isLetterOrDigit(last) && Character.isLetterOrDigit(next);
                }
                if (ellipsis || low || split) {
                    wrong.add(where + ": '" + text.getText() + "'" + (ellipsis ? " ends in dots" : low ? " is cut" : " is split in a word"));
                }
            }
        }));
    }
}
