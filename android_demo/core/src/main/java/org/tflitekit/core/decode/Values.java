package org.tflitekit.core.decode;

/** Real values of one output without its batch dimension, in C order. */
final class Values {
    final float[] values;
    final int[] shape;

    Values(float[] values, int[] shape) {
        this.values = values;
        this.shape = shape;
    }

    /** Returns the size of a dimension; 1 for those that the output does not have. */
    int size(int axis) {
        return axis < shape.length ? shape[axis] : 1;
    }

    /** Returns an element of a matrix. */
    float at(int row, int column) {
        return values[row * size(1) + column];
    }
}
