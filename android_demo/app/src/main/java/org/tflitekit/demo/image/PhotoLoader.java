package org.tflitekit.demo.image;

import android.content.ContentResolver;
import android.graphics.Bitmap;
import android.graphics.BitmapFactory;
import android.net.Uri;
import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import org.tflitekit.core.image.PixelSource;

/** Loads photos as people see them: turned upright by what the camera noted. Takes time: not for the main thread. */
public final class PhotoLoader {
    private static final int PREVIEW_PIXELS = 1024;
    private static final int MOST_BYTES = 64 << 20;

    private final ContentResolver resolver;
    private final BitmapDecoder decoder = new BitmapDecoder();

    public PhotoLoader(ContentResolver resolver) {
        this.resolver = resolver;
    }

    /**
     * Loads an image that another app gives.
     *
     * @throws PhotoException it cannot be read or is no image
     */
    public Photo load(Uri uri) throws PhotoException {
        byte[] file = read(uri);
        try {
            Orientation orientation = Orientation.of(file);
            PixelSource pixels = decoder.decode(file, orientation);
            return new Photo(pixels, preview(file, orientation));
        } catch (IOException | OutOfMemoryError error) {
            throw new PhotoException("The image cannot be shown: " + sentence(error) + " Choose another one.", error);
        }
    }

    /** Returns a picture that was drawn in the app. */
    public Photo of(Bitmap drawn) {
        return new Photo(new BitmapSource(drawn), drawn);
    }

    private byte[] read(Uri uri) throws PhotoException {
        if (!ContentResolver.SCHEME_CONTENT.equals(uri.getScheme())) { // "file:" could name the app's own files
            throw new PhotoException("The image cannot be opened: the other app gave no link to it. Choose another one.", null);
        }
        try (InputStream stream = resolver.openInputStream(uri)) {
            if (stream == null) {
                throw new FileNotFoundException("There is no file behind the link.");
            }
            ByteArrayOutputStream content = new ByteArrayOutputStream();
            byte[] part = new byte[1 << 16];
            for (int count = stream.read(part); count >= 0; count = stream.read(part)) {
                content.write(part, 0, count);
                if (content.size() > MOST_BYTES) {
                    throw new IOException("The file has more than 64 MB.");
                }
            }
            return content.toByteArray();
        } catch (IOException | RuntimeException | OutOfMemoryError error) { // other apps' providers throw as they like
            throw new PhotoException("The image cannot be opened: " + sentence(error) + " Choose another one.", error);
        }
    }

    private static String sentence(Throwable error) {
        String message = error.getMessage();
        if (error instanceof OutOfMemoryError) {
            message = "it is too large for the memory of this device";
        } else if (message == null || message.trim().isEmpty()) {
            message = error.getClass().getSimpleName();
        }
        return message.endsWith(".") ? message : message + ".";
    }

    private static Bitmap preview(byte[] file, Orientation orientation) throws IOException {
        BitmapFactory.Options options = new BitmapFactory.Options();
        options.inJustDecodeBounds = true;
        BitmapFactory.decodeByteArray(file, 0, file.length, options);
        int longest = Math.max(options.outWidth, options.outHeight);
        options.inJustDecodeBounds = false;
        options.inSampleSize = 1;
        while (longest / options.inSampleSize > PREVIEW_PIXELS) {
            options.inSampleSize *= 2;
        }
        Bitmap bitmap = BitmapFactory.decodeByteArray(file, 0, file.length, options);
        if (bitmap == null) {
            throw new IOException("it is damaged");
        }
        return Bitmap.createBitmap(bitmap, 0, 0, bitmap.getWidth(), bitmap.getHeight(), orientation.matrix(),
                true);
    }
}
