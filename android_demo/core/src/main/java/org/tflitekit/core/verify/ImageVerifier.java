package org.tflitekit.core.verify;

import java.io.IOException;
import java.util.Arrays;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.GoldenSample;
import org.tflitekit.core.image.PixelSource;
import org.tflitekit.core.image.Preprocessor;

/** Does the device prepare golden images as the host did? */
final class ImageVerifier {
    private final Bundle bundle;
    private final ImageDecoder decoder;
    private Preprocessor preprocessor;

    ImageVerifier(Bundle bundle, ImageDecoder decoder) {
        this.bundle = bundle;
        this.decoder = decoder;
    }

    ImageCheck check(GoldenSample sample) {
        PixelSource image;
        int pixelDifference;
        try {
            if (preprocessor == null) {
                preprocessor = new Preprocessor(bundle.preprocessing, bundle.variants.get(0).inputs.get(0));
            }
            byte[] expected = bundle.bytes(sample.pixels);
            image = decoder.decode(bundle.bytes(sample.image));
            byte[] pixels = preprocessor.pixels(image);
            if (expected.length != pixels.length) {
                throw new BundleException("'" + sample.pixels.file + "' has the shape "
                        + Arrays.toString(sample.pixels.shape()) + ", which is not that of the model's input.");
            }
            pixelDifference = Differences.bytes(expected, pixels);
        } catch (IOException error) {
            return error(sample, error);
        } catch (BundleException error) {
            return error(sample, error);
        }
        Verdict verdict = pixelDifference == 0 ? Verdict.PASSED : Verdict.FAILED;
        String message = pixelDifference == 0 ? null
                : "Cropped and resized pixels differ from the host's by up to " + pixelDifference + " of 255.";
        try {
            PixelSource original = decoder.decode(bundle.bytes(sample.original));
            if (original.width() == image.width() && original.height() == image.height()) {
                Differences.Images decoded = new Differences.Images(image, original);
                return new ImageCheck(sample.name, verdict, decoded.largest, decoded.mean, pixelDifference, message);
            }
            message = join(message, "This device decodes the original as " + original.width() + " x "
                    + original.height() + " pixels, the host as " + image.width() + " x " + image.height() + ".");
        } catch (IOException error) {
            message = join(message, "This device cannot decode the original file: " + error.getMessage());
        } catch (BundleException error) {
            verdict = Verdict.ERROR;
            message = join(message, error.getMessage());
        }
        return new ImageCheck(sample.name, verdict, -1, -1, pixelDifference, message);
    }

    private static ImageCheck error(GoldenSample sample, Exception error) {
        return new ImageCheck(sample.name, Verdict.ERROR, -1, -1, -1, error.getMessage());
    }

    private static String join(String first, String second) {
        return first == null ? second : first + " " + second;
    }
}
