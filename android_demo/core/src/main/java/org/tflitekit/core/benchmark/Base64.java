package org.tflitekit.core.benchmark;

/** Base64 of RFC 4648. Android's own class is not on the JVM, and java.util's came with API 26. */
final class Base64 {
    private static final char[] ALPHABET =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".toCharArray();

    private Base64() {}

    static String encode(byte[] bytes) {
        StringBuilder text = new StringBuilder((bytes.length + 2) / 3 * 4);
        for (int i = 0; i < bytes.length; i += 3) {
            int known = Math.min(3, bytes.length - i);
            int group = (bytes[i] & 255) << 16 | (known > 1 ? (bytes[i + 1] & 255) << 8 : 0)
                    | (known > 2 ? bytes[i + 2] & 255 : 0);
            for (int part = 0; part < 4; part++) {
                text.append(part <= known ? ALPHABET[group >> 18 - 6 * part & 63] : '=');
            }
        }
        return text.toString();
    }
}
