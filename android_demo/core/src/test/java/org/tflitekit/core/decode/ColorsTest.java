package org.tflitekit.core.decode;

import static org.junit.Assert.assertEquals;

import org.junit.Test;

/** Colors are those of the host's page. */
public class ColorsTest {
    /** What {@code color_of} of tflitekit/tasks/drawing.py returns. */
    private static final int[][] HOST = {
        {0, 0xE63C32}, {6, 0xF06EBE}, {7, 0x41E539}, {8, 0x99264D}, {20, 0x269939}, {79, 0xDD39E5}, {200, 0x264F99}
    };

    @Test
    public void colorsAreTheHosts() {
        for (int[] one : HOST) {
            assertEquals("class " + one[0], Integer.toHexString(0xFF000000 | one[1]),
                    Integer.toHexString(Colors.of(one[0])));
        }
        assertEquals("The background has no color.", Colors.of(0), Colors.ofMask(1));
    }
}
