package org.tflitekit.core.image;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertSame;

import org.junit.Test;

/** Where pictures lie; that it is where the host has them is in DecoderTest. */
public class FrameTest {
    @Test
    public void aSmallerFrameHasTheSamePlaces() {
        Frame large = new Frame(4000, 3000, 64, 64, 0.016, 0.016, 0, 8);
        Frame small = large.within(512);
        assertEquals(512, small.sourceWidth);
        assertEquals(384, small.sourceHeight);
        assertEquals(large.sourceX(40) * 512 / 4000, small.sourceX(40), 1e-3);
        assertEquals(large.sourceY(40) * 384 / 3000, small.sourceY(40), 1e-3);
        assertSame(small, small.within(512));
    }
}
