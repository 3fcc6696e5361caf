package org.tflitekit.core.decode;

import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.JsonNode;

/** How an output writes the four numbers of a box. */
enum BoxForm {
    CXCYWH, XYWH, XYXY, YXYX;

    static BoxForm of(JsonNode reader) throws BundleException {
        return valueOf(reader.choice("box", "cxcywh", "xywh", "xyxy", "yxyx").toUpperCase(java.util.Locale.ROOT));
    }

    /** Writes left, top, right and bottom to {@code edges[to]} and after it. */
    void edges(float a, float b, float c, float d, float[] edges, int to) {
        switch (this) {
            case XYXY:
                set(a, b, c, d, edges, to);
                break;
            case YXYX:
                set(b, a, d, c, edges, to);
                break;
            case XYWH:
                set(a, b, a + c, b + d, edges, to);
                break;
            default:
                float left = a - c / 2;
                float top = b - d / 2;
                set(left, top, left + c, top + d, edges, to);
        }
    }

    private static void set(float left, float top, float right, float bottom, float[] edges, int to) {
        edges[to] = left;
        edges[to + 1] = top;
        edges[to + 2] = right;
        edges[to + 3] = bottom;
    }
}
