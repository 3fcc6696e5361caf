package org.tflitekit.core.decode;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;
import static org.junit.Assume.assumeNotNull;

import java.io.File;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.Test;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleFolder;
import org.tflitekit.core.bundle.GoldenResult;
import org.tflitekit.core.bundle.GoldenSample;
import org.tflitekit.core.bundle.Variant;
import org.tflitekit.core.image.Frame;
import org.tflitekit.core.image.Preprocessor;
import org.tflitekit.core.verify.ImageIoDecoder;

/** Each golden sample of bundles, decoded, is what the host's readers made of it. The bundles come from the Python test. */
public class DecoderTest {
    @Test
    public void everySampleIsDecodedAsOnTheHost() throws Exception {
        String folders = System.getProperty("tflitekit.bundles");
        assumeNotNull(folders);
        int compared = 0;
        int found = 0;
        for (String folder : folders.split(File.pathSeparator)) {
            Bundle bundle = Bundle.read(new BundleFolder(new File(folder)));
            Variant variant = bundle.variants.get(0);
            Decoder decoder = new Decoder(bundle, variant);
            for (GoldenSample sample : bundle.golden) {
                GoldenResult golden = sample.result(variant);
                ByteBuffer[] outputs = new ByteBuffer[variant.outputs.size()];
                for (int i = 0; i < outputs.length; i++) {
                    outputs[i] = ByteBuffer.wrap(bundle.bytes(golden.outputs.get(i))).order(ByteOrder.LITTLE_ENDIAN);
                }
                Decoded decoded = decoder.decode(outputs, frame(bundle, variant, sample));
                assertNull(folder + " " + sample.name, DecodedCheck.difference(bundle, golden, decoded));
                compared++;
                found += decoded.boxes.length + decoded.poses.length + (decoded.mask == null ? 0 : 1);
            }
        }
        assertTrue("nothing was compared", compared > 0);
        assertTrue("nothing was found in any picture", found > 0);
        System.out.println("samples decoded: " + compared);
    }

    private static Frame frame(Bundle bundle, Variant variant, GoldenSample sample) throws Exception {
        Preprocessor preprocessor =
                new Preprocessor(bundle.preprocessing, variant.inputs.get(0));
        preprocessor.pixels(new ImageIoDecoder().decode(bundle.bytes(sample.image)));
        Frame frame = preprocessor.frame();
        assertEquals(sample.image.width, frame.sourceWidth);
        return frame;
    }
}
