package org.tflitekit.core.image;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assume.assumeNotNull;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.json.JSONArray;
import org.json.JSONObject;
import org.junit.Test;
import org.tflitekit.core.bundle.Specs;
import org.tflitekit.core.bundle.TensorSpec;

/** Pixels and stored inputs are byte for byte those of the host, see {@code android_demo/vectors.py}. */
public class VectorsTest {
    @Test
    public void smallVectorsOfTheRepository() throws Exception {
        try (InputStream list = getClass().getResourceAsStream("/vectors/vectors.json");
                InputStream blob = getClass().getResourceAsStream("/vectors/vectors.bin")) {
            check(read(list), read(blob));
        }
    }

    /** The folder comes from the Python test, which has just written it. */
    @Test
    public void vectorsOfThisRun() throws Exception {
        String folder = System.getProperty("tflitekit.vectors");
        assumeNotNull(folder);
        try (InputStream list = new FileInputStream(new File(folder, "vectors.json"));
                InputStream blob = new FileInputStream(new File(folder, "vectors.bin"))) {
            int cases = check(read(list), read(blob));
            System.out.println("vectors compared: " + cases);
        }
    }

    private static int check(byte[] list, byte[] blob) throws Exception {
        JSONArray cases = new JSONObject(new String(list, StandardCharsets.UTF_8)).getJSONArray("cases");
        assertTrue(cases.length() > 0);
        for (int i = 0; i < cases.length(); i++) {
            check(cases.getJSONObject(i), blob);
        }
        return cases.length();
    }

    private static void check(JSONObject vector, byte[] blob) throws Exception {
        String name = vector.toString();
        TensorSpec input = Specs.tensor(vector.getJSONObject("input"));
        Preprocessor preprocessor = new Preprocessor(Specs.preprocessing(vector.getJSONObject("preprocessing")), input);
        PixelSource image = vector.isNull("rgba")
                ? new FormulaSource(vector.getInt("width"), vector.getInt("height")) : image(vector, blob);
        ByteBuffer stored = ByteBuffer.allocateDirect(input.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        // Another size in between, so that a reused object is what is compared.
        preprocessor.pixels(new ArgbImage(2, 3, new int[] {-1, -1, -1, -1, -1, -1}));
        byte[] pixels = preprocessor.pixels(image);
        assertArrayEquals(name, part(vector, "pixels", blob), pixels);
        assertArrayEquals("second time: " + name, part(vector, "pixels", blob), preprocessor.pixels(image));
        preprocessor.fill(pixels, stored);
        byte[] bytes = new byte[stored.remaining()];
        stored.get(bytes);
        assertArrayEquals("stored: " + name, part(vector, "stored", blob), bytes);
    }

    private static ArgbImage image(JSONObject vector, byte[] blob) throws Exception {
        byte[] rgba = part(vector, "rgba", blob);
        int[] argb = new int[rgba.length / 4];
        for (int i = 0; i < argb.length; i++) {
            argb[i] = (rgba[4 * i + 3] & 255) << 24 | (rgba[4 * i] & 255) << 16 | (rgba[4 * i + 1] & 255) << 8
                    | rgba[4 * i + 2] & 255;
        }
        return new ArgbImage(vector.getInt("width"), vector.getInt("height"), argb);
    }

    private static byte[] part(JSONObject vector, String key, byte[] blob) throws Exception {
        JSONArray place = vector.getJSONArray(key);
        return Arrays.copyOfRange(blob, place.getInt(0), place.getInt(0) + place.getInt(1));
    }

    private static byte[] read(InputStream stream) throws IOException {
        ByteArrayOutputStream content = new ByteArrayOutputStream();
        byte[] piece = new byte[1 << 16];
        for (int read = stream.read(piece); read >= 0; read = stream.read(piece)) {
            content.write(piece, 0, read);
        }
        return content.toByteArray();
    }
}
