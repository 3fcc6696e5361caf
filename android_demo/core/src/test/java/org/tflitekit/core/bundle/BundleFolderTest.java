package org.tflitekit.core.bundle;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;

/** A folder gives its own files and no others. */
public class BundleFolderTest {
    @Rule public final TemporaryFolder temporary = new TemporaryFolder();

    @Test
    public void onlyFilesInside() throws Exception {
        File root = temporary.newFolder("bundle");
        write(new File(root, "inside"), 7);
        write(temporary.newFile("outside"), 8);
        write(new File(temporary.newFolder("bundle-too"), "file"), 9);
        Files.createSymbolicLink(new File(root, "link").toPath(), new File("../outside").toPath());
        BundleFolder folder = new BundleFolder(root);
        try (InputStream stream = folder.open("inside")) {
            assertEquals(7, stream.read());
        }
        for (String path : new String[] {"../outside", "link", "../bundle-too/file", "", "."}) {
            try {
                folder.open(path).close();
                fail(path);
            } catch (IOException error) {
                assertTrue(error.getMessage(), error.getMessage().contains("lies outside"));
            }
        }
    }

    private static void write(File file, int content) throws IOException {
        try (FileOutputStream stream = new FileOutputStream(file)) {
            stream.write(content);
        }
    }
}
