package org.tflitekit.demo;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.File;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.FileEntry;
import org.tflitekit.demo.device.Services;

/** The bundle of the app, and those that are pushed into its storage. */
@RunWith(RobolectricTestRunner.class)
public class BundlesTest {
    private Services services;

    @Before
    public void open() {
        services = ((DemoApplication) RuntimeEnvironment.getApplication()).services();
    }

    @Test
    public void assetsAndStorageGiveTheSameBundle() throws Exception {
        File storage = RuntimeEnvironment.getApplication().getExternalFilesDir("bundles");
        BundleCopy.into(new File(storage, "other")).edit(description -> description.put("name", "pushed"));
        Bundle own = Bundle.read(services.bundleFiles(null));
        Bundle pushed = Bundle.read(services.bundleFiles("other"));
        assertEquals(BundleCopy.read().name, own.name);
        assertEquals("pushed", pushed.name);
        for (int i = 0; i < own.variants.size(); i++) {
            FileEntry file = own.variants.get(i).file;
            assertEquals(own.model(own.variants.get(i)), pushed.model(pushed.variants.get(i)));
            assertEquals(file.sha256, pushed.variants.get(i).file.sha256);
        }
    }

    @Test
    public void pathsAndMissingFoldersAreRefused() {
        for (String name : new String[] {"../databases", "..", "a/b", "", "/sdcard", ".hidden", "missing"}) {
            String message =
                    assertThrows(name, BundleException.class, () -> services.bundleFiles(name)).getMessage();
            assertTrue(message, message.contains("'" + name + "'"));
        }
    }
}
