package org.tflitekit.core.verify;

import java.awt.image.BufferedImage;
import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import javax.imageio.ImageIO;
import org.tflitekit.core.image.ArgbImage;
import org.tflitekit.core.image.PixelSource;

/** The JVM's own decoders. */
public final class ImageIoDecoder implements ImageDecoder {
    @Override
    public PixelSource decode(byte[] file) throws IOException {
        BufferedImage image = ImageIO.read(new ByteArrayInputStream(file));
        if (image == null) {
            throw new IOException("The file is no image in a format that the JVM knows.");
        }
        int width = image.getWidth();
        int height = image.getHeight();
        if (image.getRaster().getNumBands() > 1) {
            return new ArgbImage(width, height, image.getRGB(0, 0, width, height, null, 0, width));
        }
        // getRGB converts grey from a linear colour space; decoders elsewhere repeat the stored value.
        Raster raster = image.getRaster();
        int[] argb = raster.getSamples(0, 0, width, height, 0, (int[]) null);
        for (int i = 0; i < argb.length; i++) {
            argb[i] = 0xFF000000 | argb[i] * 0x010101;
        }
        return new ArgbImage(width, height, argb);
    }
}
