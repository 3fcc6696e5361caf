package org.tflitekit.core.bundle;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;

/** Reads streams. */
final class Streams {
    private Streams() {}

    /** @throws IOException it cannot be read, or holds more than {@code limit} bytes */
    static byte[] readAll(InputStream stream, long limit) throws IOException {
        ByteArrayOutputStream content = new ByteArrayOutputStream(Math.max(1 << 13, stream.available()));
        byte[] piece = new byte[1 << 13];
        for (int read = stream.read(piece); read >= 0; read = stream.read(piece)) {
            if (content.size() + (long) read > limit) {
                throw new IOException("it has more than " + limit + " bytes");
            }
            content.write(piece, 0, read);
        }
        return content.toByteArray();
    }
}
