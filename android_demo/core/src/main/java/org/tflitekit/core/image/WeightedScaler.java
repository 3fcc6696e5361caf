package org.tflitekit.core.image;

import java.io.IOException;

/**
 * Resizes with a filter, in two passes that each round to 8 bits, as Pillow does. Memory: a piece of the source, some
 * rows, and the sums of unfinished rows.
 */
final class WeightedScaler implements Scaler, RowSink {
    private final ResamplingFilter filter;
    private final int channels;
    private final RowReader reader = new RowReader();
    private final HorizontalPass horizontal;
    private final VerticalPass vertical = new VerticalPass();
    private Placement placement;
    private TargetPixels target;
    private boolean resizesWidth;
    private boolean resizesHeight;
    private boolean verticalFirst;
    private boolean premultiplies;
    /** A row of the source, one value a channel. */
    private int[] wide = new int[0];
    /** A row of the target, one value a channel. */
    private int[] narrow = new int[0];

    WeightedScaler(ResamplingFilter filter, int channels) {
        this.filter = filter;
        this.channels = channels;
        horizontal = new HorizontalPass(channels);
    }

    @Override
    public void prepare(Placement newPlacement) {
        placement = newPlacement;
        int fewerRows = placement.height - placement.resizedHeight;
        int fewerColumns = placement.width - placement.resizedWidth;
        resizesWidth = fewerColumns != 0;
        resizesHeight = fewerRows != 0;
        // Pillow's rule since version 13.0; up to 12 the horizontal pass always came first.
        verticalFirst = fewerRows > 0 && fewerRows > 2 * fewerColumns;
        premultiplies = channels == 4 && (resizesWidth || resizesHeight);
        if (wide.length < placement.width * channels) {
            wide = new int[placement.width * channels];
        }
        if (narrow.length < placement.resizedWidth * channels) {
            narrow = new int[placement.resizedWidth * channels];
        }
        if (resizesWidth) {
            horizontal.prepare(filter, placement.width, placement.resizedWidth);
        }
        if (resizesHeight) {
            int columns = verticalFirst ? placement.width : placement.resizedWidth;
            vertical.prepare(filter, placement.height, placement.resizedHeight, columns * channels);
        }
    }

    @Override
    public void scale(PixelSource source, TargetPixels newTarget) throws IOException {
        target = newTarget;
        int from = resizesHeight ? vertical.firstRow() : 0;
        int end = resizesHeight ? vertical.endRow() : placement.height;
        reader.open(source, placement.top + end);
        vertical.begin();
        for (int y = from; y < end; y++) {
            int sourceRow = placement.top + y;
            if (!reader.holds(sourceRow)) {
                reader.read(sourceRow);
            }
            PixelRows.unpack(reader.argb, reader.offset(sourceRow) + placement.left, placement.width, channels,
                    premultiplies, wide);
            int[] row = verticalFirst ? wide : narrowed(wide);
            if (resizesHeight) {
                vertical.add(y, row, this);
            } else {
                write(y, row);
            }
        }
        reader.close();
    }

    @Override
    public void row(int y, int[] values) {
        write(y, verticalFirst ? narrowed(values) : values);
    }

    private int[] narrowed(int[] row) {
        if (!resizesWidth) {
            return row;
        }
        horizontal.apply(row, narrow);
        return narrow;
    }

    private void write(int y, int[] row) {
        target.write(placement.targetLeft, placement.targetTop + y, row, placement.resizedWidth, premultiplies);
    }
}
