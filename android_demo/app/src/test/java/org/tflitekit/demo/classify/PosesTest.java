package org.tflitekit.demo.classify;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import android.content.Context;
import android.graphics.Bitmap;
import android.graphics.Canvas;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.tflitekit.core.decode.Colors;
import org.tflitekit.core.decode.Decoded;
import org.tflitekit.core.decode.Found;

/** Keypoints and bones, and the list of poses. */
@RunWith(RobolectricTestRunner.class)
public class PosesTest {
    private static final int SIDE = 400;
    private static final int LEFT_HIP = 11;
    private static final int RIGHT_HIP = 12;

    private final Context context = RuntimeEnvironment.getApplication();

    /** Two hips far apart; all other keypoints have a low score. */
    private static Found hips(int keypoints) {
        float[][] pose = new float[keypoints][3];
        pose[LEFT_HIP] = new float[] {20, 50, 0.9f};
        pose[RIGHT_HIP] = new float[] {80, 50, 0.8f};
        pose[0] = new float[] {50, 10, 0.1f};
        return new Found(100, 100, Decoded.ofPoses(new float[][][] {pose}));
    }

    private Bitmap drawn(Found found, PicturePlace place) {
        FoundView view = new FoundView(context, null);
        view.layout(0, 0, SIDE, SIDE);
        view.show(found, null, 0.3f, place);
        Bitmap bitmap = Bitmap.createBitmap(SIDE, SIDE, Bitmap.Config.ARGB_8888);
        view.draw(new Canvas(bitmap));
        return bitmap;
    }

    @Test
    public void keypointsAndBonesOfAPerson() {
        Bitmap person = drawn(hips(17), PicturePlace.FITS);
        assertEquals(Colors.of(LEFT_HIP), person.getPixel(80, 200));
        assertEquals(Colors.of(RIGHT_HIP), person.getPixel(320, 200));
        assertEquals(Colors.of(LEFT_HIP), person.getPixel(200, 200)); // the bone between
        assertEquals("A keypoint with a low score is drawn.", 0, person.getPixel(200, 40));
        assertEquals(Colors.of(RIGHT_HIP), drawn(hips(17), PicturePlace.COVERS_MIRRORED).getPixel(80, 200));
        assertEquals("Only people have these bones.", 0, drawn(hips(18), PicturePlace.FITS).getPixel(200, 200));
    }

    @Test
    public void posesAreListed() {
        Findings findings = new Findings(context, hips(17), null, 0.3f);
        assertEquals("Poses: 1", findings.title);
        assertEquals("Pose 1", findings.rows.get(0).label);
        assertEquals("2 of 17 keypoints", findings.rows.get(0).value);
        assertTrue(new Findings(context, hips(17), null, 0.95f).rows.isEmpty());
    }
}
