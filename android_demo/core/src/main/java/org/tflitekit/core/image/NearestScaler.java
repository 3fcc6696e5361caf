package org.tflitekit.core.image;

import java.io.IOException;
import java.util.Arrays;

/** Takes the nearest pixel, at the places where Pillow's affine transformation takes it. */
final class NearestScaler implements Scaler {
    private final int channels;
    private final RowReader reader = new RowReader();
    private Placement placement;
    private int[] columns = new int[0];
    private int[] packed = new int[0];
    private int[] values = new int[0];

    NearestScaler(int channels) {
        this.channels = channels;
    }

    @Override
    public void prepare(Placement newPlacement) {
        placement = newPlacement;
        int width = placement.resizedWidth;
        if (columns.length < width) {
            columns = new int[width];
            packed = new int[width];
            values = new int[width * channels];
        }
        double step = (double) placement.width / width;
        double x = step * 0.5;
        for (int i = 0; i < width; i++) {
            columns[i] = (int) x;
            x += step;
        }
    }

    @Override
    public void scale(PixelSource source, TargetPixels target) throws IOException {
        reader.open(source, placement.top + placement.height);
        double step = (double) placement.height / placement.resizedHeight;
        boolean dense = step < 4.0;
        double y = step * 0.5;
        int last = -1;
        for (int row = 0; row < placement.resizedHeight; row++, y += step) {
            int sourceRow = (int) y;
            if (sourceRow != last) {
                gather(sourceRow, dense);
                last = sourceRow;
            }
            target.write(placement.targetLeft, placement.targetTop + row, values, placement.resizedWidth, false);
        }
        reader.close();
    }

    private void gather(int row, boolean dense) throws IOException {
        int width = placement.resizedWidth;
        // The sum of steps can reach the image's end by rounding; Pillow leaves such pixels black.
        if (row >= placement.height) {
            Arrays.fill(packed, 0, width, 0);
        } else {
            int y = placement.top + row;
            if (!reader.holds(y)) {
                if (dense) {
                    reader.read(y);
                } else {
                    reader.readOne(y);
                }
            }
            int offset = reader.offset(y) + placement.left;
            for (int i = 0; i < width; i++) {
                packed[i] = columns[i] < placement.width ? reader.argb[offset + columns[i]] : 0;
            }
        }
        PixelRows.unpack(packed, 0, width, channels, false, values);
    }
}
