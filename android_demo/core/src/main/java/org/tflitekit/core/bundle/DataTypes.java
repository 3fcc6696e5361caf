package org.tflitekit.core.bundle;

/** The element types that bundles may hold, by NumPy's names. */
public final class DataTypes {
    private DataTypes() {}

    /** Returns whether the app knows the type. */
    public static boolean isKnown(String dtype) {
        return size(dtype) > 0;
    }

    /**
     * Returns the bytes of one element.
     *
     * @throws IllegalArgumentException the type is none that the app knows
     */
    public static int bytes(String dtype) {
        int size = size(dtype);
        if (size == 0) {
            throw new IllegalArgumentException("The data type '" + dtype + "' is not known.");
        }
        return size;
    }

    private static int size(String dtype) {
        switch (dtype) {
            case "int8":
            case "uint8":
            case "bool":
                return 1;
            case "int16":
            case "uint16":
                return 2;
            case "float32":
            case "int32":
            case "uint32":
                return 4;
            case "float64":
            case "int64":
                return 8;
            default:
                return 0;
        }
    }

    /** Returns whether the type holds floating-point numbers. */
    public static boolean isFloat(String dtype) {
        return dtype.startsWith("float");
    }
}
