package org.tflitekit.demo.classify;

import android.content.Context;
import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.graphics.Color;
import android.graphics.Matrix;
import android.graphics.Paint;
import android.graphics.RectF;
import android.util.AttributeSet;
import android.util.TypedValue;
import android.view.View;
import java.util.List;
import org.tflitekit.core.decode.Colors;
import org.tflitekit.core.decode.Decoded;
import org.tflitekit.core.decode.Found;
import org.tflitekit.core.decode.Skeleton;
import org.tflitekit.demo.ui.Words;

/** Lies over a picture and draws what was found in it: boxes with class and score, a mask, or keypoints with bones. */
public final class FoundView extends View {
    private static final int MOST_BOXES = 50;

    private final Paint line = new Paint(Paint.ANTI_ALIAS_FLAG);
    private final Paint fill = new Paint(Paint.ANTI_ALIAS_FLAG);
    private final Paint text = new Paint(Paint.ANTI_ALIAS_FLAG);
    private final Paint maskPaint = new Paint();
    private final float thin;
    private Found found;
    private Bitmap mask;
    private List<String> labels;
    private float threshold;
    private PicturePlace place = PicturePlace.FITS;

    public FoundView(Context context, AttributeSet attributes) {
        super(context, attributes);
        thin = dimension(TypedValue.COMPLEX_UNIT_DIP, 1);
        maskPaint.setFilterBitmap(false); // each pixel is of one class
        line.setStyle(Paint.Style.STROKE);
        line.setStrokeCap(Paint.Cap.ROUND);
        text.setTextSize(dimension(TypedValue.COMPLEX_UNIT_SP, 12));
    }

    private float dimension(int unit, float value) {
        return TypedValue.applyDimension(unit, value, getResources().getDisplayMetrics());
    }

    /**
     * Shows what was found.
     *
     * @param newFound null for nothing
     * @param newLabels of the classes; null where there are none
     * @param newThreshold boxes and keypoints with a lower score are left out
     */
    void show(Found newFound, List<String> newLabels, float newThreshold, PicturePlace newPlace) {
        if (newFound != found) {
            found = newFound;
            mask = found == null || found.decoded.mask == null ? null : MaskBitmap.of(found.decoded);
        }
        labels = newLabels;
        threshold = newThreshold;
        place = newPlace;
        setVisibility(found == null ? GONE : VISIBLE);
        invalidate();
    }

    @Override
    protected void onDraw(Canvas canvas) {
        if (found == null || getWidth() == 0 || getHeight() == 0) {
            return;
        }
        Matrix matrix = place.matrix(found.width, found.height, getWidth(), getHeight());
        Decoded decoded = found.decoded;
        if (mask != null) {
            canvas.drawBitmap(mask, matrix, maskPaint);
        }
        for (int i = Math.min(decoded.boxes.length, MOST_BOXES) - 1; i >= 0; i--) { // the best on top
            if (decoded.scores[i] >= threshold) {
                box(canvas, matrix, decoded, i);
            }
        }
        for (float[][] pose : decoded.poses) {
            pose(canvas, matrix, pose);
        }
    }

    private void box(Canvas canvas, Matrix matrix, Decoded decoded, int i) {
        float[] edges = decoded.boxes[i];
        RectF box = new RectF(edges[0], edges[1], edges[2], edges[3]);
        matrix.mapRect(box);
        int color = Colors.of(decoded.classes[i]);
        line.setColor(Color.BLACK);
        line.setStrokeWidth(4 * thin);
        canvas.drawRect(box, line);
        line.setColor(color);
        line.setStrokeWidth(2 * thin);
        canvas.drawRect(box, line);
        name(canvas, box, color, Findings.label(getContext(), labels, decoded.classes[i]) + " "
                + Words.percent(decoded.scores[i]));
    }

    /** Writes above a box, or inside of it where there is no room above. */
    private void name(Canvas canvas, RectF box, int color, String words) {
        Paint.FontMetrics font = text.getFontMetrics();
        float height = font.descent - font.ascent;
        float width = text.measureText(words) + 4 * thin;
        float left = Math.max(0, Math.min(box.left, getWidth() - width));
        float top = box.top >= height ? box.top - height : Math.max(0, box.top);
        fill.setColor(color);
        canvas.drawRect(left, top, left + width, top + height, fill);
        text.setColor(isLight(color) ? Color.BLACK : Color.WHITE);
        canvas.drawText(words, left + 2 * thin, top - font.ascent, text);
    }

    private static boolean isLight(int color) {
        return 0.299 * Color.red(color) + 0.587 * Color.green(color) + 0.114 * Color.blue(color) > 140;
    }

    private void pose(Canvas canvas, Matrix matrix, float[][] pose) {
        float[] at = new float[2 * pose.length];
        for (int i = 0; i < pose.length; i++) {
            at[2 * i] = pose[i][0];
            at[2 * i + 1] = pose[i][1];
        }
        matrix.mapPoints(at);
        for (int[] bone : Skeleton.of(pose.length)) {
            if (pose[bone[0]][2] >= threshold && pose[bone[1]][2] >= threshold) {
                bone(canvas, at, bone, 4 * thin, Color.BLACK);
                bone(canvas, at, bone, 2 * thin, Colors.of(bone[0]));
            }
        }
        for (int i = 0; i < pose.length; i++) {
            if (pose[i][2] >= threshold) {
                fill.setColor(Color.BLACK);
                canvas.drawCircle(at[2 * i], at[2 * i + 1], 4 * thin, fill);
                fill.setColor(Colors.of(i));
                canvas.drawCircle(at[2 * i], at[2 * i + 1], 3 * thin, fill);
            }
        }
    }

    private void bone(Canvas canvas, float[] at, int[] bone, float width, int color) {
        line.setStrokeWidth(width);
        line.setColor(color);
        canvas.drawLine(at[2 * bone[0]], at[2 * bone[0] + 1], at[2 * bone[1]], at[2 * bone[1] + 1], line);
    }
}
