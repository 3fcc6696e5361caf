package org.tflitekit.core.bundle;

/** An input or output of a model as its file declares it. */
public final class TensorSpec {
    public final String name;
    /** NumPy's name of the stored type: one of {@link DataTypes}. */
    public final String dtype;
    /** Whether stored values stand for {@code scale * (stored - zeroPoint)}. */
    public final boolean quantized;
    /** Real value of one step; 1 where the tensor is not quantized. */
    public final float scale;
    /** Stored value of the real 0; 0 where the tensor is not quantized. */
    public final int zeroPoint;
    private final int[] shape;

    /** @param shape with the batch dimension first; -1 where a dimension is dynamic; copied */
    public TensorSpec(String name, int[] shape, String dtype, boolean quantized, float scale, int zeroPoint) {
        this.name = name;
        this.shape = shape.clone();
        this.dtype = dtype;
        this.quantized = quantized;
        this.scale = scale;
        this.zeroPoint = zeroPoint;
    }

    /** Returns a copy of the shape, -1 where a dimension is dynamic. */
    public int[] shape() {
        return shape.clone();
    }

    public int rank() {
        return shape.length;
    }

    /** Returns the size of one dimension, -1 where it is dynamic. */
    public int dimension(int axis) {
        return shape[axis];
    }

    /** Returns the number of elements; dynamic dimensions count as 1. */
    public int elements() {
        int count = 1;
        for (int size : shape) {
            count *= size < 0 ? 1 : size;
        }
        return count;
    }

    /** Returns the size in bytes; dynamic dimensions count as 1. */
    public int bytes() {
        return elements() * DataTypes.bytes(dtype);
    }
}
