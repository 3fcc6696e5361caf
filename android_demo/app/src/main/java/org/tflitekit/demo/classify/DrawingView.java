package org.tflitekit.demo.classify;

import android.content.Context;
import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.graphics.Color;
import android.graphics.Paint;
import android.graphics.Path;
import android.util.AttributeSet;
import android.view.MotionEvent;
import android.view.View;

/** A square to draw in, white on black as digits of common data sets are. */
public final class DrawingView extends View {
    /** Is told when a stroke has ended. */
    public interface Listener {
        void onDrawn();
    }

    /** Pixels of a side of the picture. */
    private static final int SIDE = 256;
    private static final float BRUSH = SIDE / 7f;

    private final Bitmap bitmap = Bitmap.createBitmap(SIDE, SIDE, Bitmap.Config.ARGB_8888);
    private final Canvas canvas = new Canvas(bitmap);
    private final Paint brush = new Paint(Paint.ANTI_ALIAS_FLAG | Paint.DITHER_FLAG);
    private final Paint frame = new Paint();
    private final Path stroke = new Path();
    private Listener listener;
    private boolean empty = true;
    private float lastX;
    private float lastY;

    public DrawingView(Context context, AttributeSet attributes) {
        super(context, attributes);
        brush.setColor(Color.WHITE);
        brush.setStyle(Paint.Style.STROKE);
        brush.setStrokeWidth(BRUSH);
        brush.setStrokeCap(Paint.Cap.ROUND);
        brush.setStrokeJoin(Paint.Join.ROUND);
        frame.setColor(0xFF3D4457);
        frame.setStyle(Paint.Style.STROKE);
        frame.setStrokeWidth(0); // one pixel
        canvas.drawColor(Color.BLACK);
    }

    public void setListener(Listener listener) {
        this.listener = listener;
    }

    /** Returns a copy of the picture; null where nothing was drawn. */
    public Bitmap picture() {
        return empty ? null : bitmap.copy(Bitmap.Config.ARGB_8888, false);
    }

    /** Shows a picture again that {@link #picture} gave. */
    public void setPicture(Bitmap picture) {
        clear();
        if (picture != null) {
            canvas.drawBitmap(picture, 0, 0, null);
            empty = false;
        }
    }

    public void clear() {
        canvas.drawColor(Color.BLACK);
        empty = true;
        invalidate();
    }

    private int side() {
        return Math.max(1, Math.min(getWidth(), getHeight()));
    }

    @Override
    protected void onDraw(Canvas target) {
        int side = side();
        target.save();
        target.translate((getWidth() - side) / 2f, (getHeight() - side) / 2f);
        target.scale(side / (float) SIDE, side / (float) SIDE);
        target.drawBitmap(bitmap, 0, 0, null);
        target.drawPath(stroke, brush);
        target.drawRect(0, 0, SIDE, SIDE, frame);
        target.restore();
    }

    @Override
    public boolean onTouchEvent(MotionEvent event) {
        float scale = SIDE / (float) side();
        float x = (event.getX() - (getWidth() - side()) / 2f) * scale;
        float y = (event.getY() - (getHeight() - side()) / 2f) * scale;
        switch (event.getActionMasked()) {
            case MotionEvent.ACTION_DOWN:
                getParent().requestDisallowInterceptTouchEvent(true);
                stroke.moveTo(x, y);
                stroke.lineTo(x + 0.1f, y); // a touch leaves a dot
                break;
            case MotionEvent.ACTION_MOVE:
                stroke.quadTo(lastX, lastY, (x + lastX) / 2, (y + lastY) / 2);
                break;
            case MotionEvent.ACTION_UP:
                stroke.lineTo(x, y);
                finish();
                performClick();
                break;
            case MotionEvent.ACTION_CANCEL:
                finish();
                break;
            default:
                return false;
        }
        lastX = x;
        lastY = y;
        invalidate();
        return true;
    }

    @Override
    public boolean performClick() {
        return super.performClick();
    }

    private void finish() {
        canvas.drawPath(stroke, brush);
        stroke.reset();
        empty = false;
        if (listener != null) {
            listener.onDrawn();
        }
    }
}
