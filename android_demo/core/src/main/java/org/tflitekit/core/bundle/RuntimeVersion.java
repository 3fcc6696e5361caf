package org.tflitekit.core.bundle;

/**
 * Versions of the runtime such as "2.16.1"; only leading numbers count. LiteRT counts its releases anew, from 1.0 after
 * TensorFlow 2.17; a TensorFlow Lite 1.x has no interface for this app, so such a number is LiteRT's.
 */
public final class RuntimeVersion {
    /** Stands for the version of a runtime that cannot be loaded. */
    public static final String NONE = "0";

    private static final String BEFORE_LITERT = "2.17";

    private RuntimeVersion() {}

    /** Compares two versions by their numbers: below 0 when {@code a} is older; "2.3" equals "2.3.0". */
    public static int compare(String a, String b) {
        int[] left = numbers(a);
        int[] right = numbers(b);
        for (int i = 0; i < left.length; i++) {
            if (left[i] != right[i]) {
                return Integer.compare(left[i], right[i]);
            }
        }
        return 0;
    }

    /**
     * Checks that a runtime has all operators of a variant.
     *
     * @throws BundleException the runtime is older than the variant's minimum
     */
    public static void require(Variant variant, String runtimeVersion) throws BundleException {
        if (variant.minRuntimeVersion != null && !has(runtimeVersion, variant.minRuntimeVersion)) {
            throw new BundleException("The variant '" + variant.name + "' needs the runtime "
                    + variant.minRuntimeVersion + " or newer, this app has " + runtimeVersion
                    + ". Choose another variant, or update the app's runtime.");
        }
    }

    /** Returns whether a runtime is a version or newer; of LiteRT 1.x only what TensorFlow 2.17 had is certain. */
    public static boolean has(String runtimeVersion, String minimum) {
        boolean litert = numbers(runtimeVersion)[0] == 1;
        return compare(litert ? BEFORE_LITERT : runtimeVersion, minimum) >= 0;
    }

    private static int[] numbers(String version) {
        int[] numbers = new int[4];
        int part = 0;
        boolean digits = false;
        for (int i = 0; i < version.length() && part < numbers.length; i++) {
            char c = version.charAt(i);
            if (c >= '0' && c <= '9') {
                numbers[part] = Math.min(99_999_999, numbers[part] * 10 + (c - '0'));
                digits = true;
            } else if (c == '.' && digits) {
                part++;
                digits = false;
            } else {
                break;
            }
        }
        return numbers;
    }
}
