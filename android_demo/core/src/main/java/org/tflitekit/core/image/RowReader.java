package org.tflitekit.core.image;

import java.io.IOException;

/** Reads rows of a source in pieces of some hundred kilobytes, from the top to the bottom. */
final class RowReader {
    private static final int PIXELS = 1 << 16;

    /** The rows that were read last; {@link #offset} says where one begins. */
    int[] argb = new int[0];
    private PixelSource source;
    private int begin;
    private int end;
    private int limit;
    private int piece;

    /** Starts on another image, of which no row from {@code limit} on is wanted. */
    void open(PixelSource newSource, int newLimit) {
        source = newSource;
        limit = newLimit;
        begin = 0;
        end = 0;
        piece = Math.max(1, PIXELS / source.width());
        int needed = Math.min(piece, limit) * source.width();
        if (argb.length < needed) {
            argb = new int[needed];
        }
    }

    /** Returns whether a row is in memory. */
    boolean holds(int y) {
        return y >= begin && y < end;
    }

    /** Reads rows from {@code y} on: a piece of the image. */
    void read(int y) throws IOException {
        int rows = Math.min(piece, limit - y);
        source.readRows(y, rows, argb);
        begin = y;
        end = y + rows;
    }

    /** Reads one row only. */
    void readOne(int y) throws IOException {
        source.readRows(y, 1, argb);
        begin = y;
        end = y + 1;
    }

    /** Returns how many rows in memory come after {@code y}, itself included. */
    int rowsFrom(int y) {
        return end - y;
    }

    int offset(int y) {
        return (y - begin) * source.width();
    }

    /** Lets the image go. */
    void close() {
        source = null;
    }
}
