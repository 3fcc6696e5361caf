package org.tflitekit.demo;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import android.content.ContentResolver;
import android.content.Context;
import android.content.Intent;
import android.net.Uri;
import java.io.File;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Arrays;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.tflitekit.core.runs.RunFiles;
import org.tflitekit.demo.share.ReportProvider;

/** What runs leave for adb, and what people share. */
@RunWith(RobolectricTestRunner.class)
public class RunFilesTest {
    private Context context;

    @Before
    public void open() {
        context = RuntimeEnvironment.getApplication();
    }

    @Test
    public void aResultHasAMarkAndASecondRunRemovesIt() throws Exception {
        RunFiles files = RunFiles.open(context.getExternalFilesDir("runs"), "run-1");
        File written = files.finish("report.json", "{\"ä\": 1}");
        assertEquals(new File(context.getExternalFilesDir(null), "runs/run-1/report.json"), written);
        assertEquals("{\"ä\": 1}", new String(Files.readAllBytes(written.toPath()), StandardCharsets.UTF_8));
        assertArrayEquals(new String[] {"done", "report.json"}, sorted(files.folder()));
        files.progress(3, 15, "int8");
        assertArrayEquals(new String[] {"done", "progress", "report.json"}, sorted(files.folder()));
        assertEquals("3 15 int8\n", new String(Files.readAllBytes(new File(files.folder(), "progress").toPath())));
        RunFiles again = RunFiles.open(context.getExternalFilesDir("runs"), "run-1");
        assertArrayEquals(new String[0], sorted(again.folder()));
        again.fail("The battery is empty.");
        assertArrayEquals(new String[] {"failed"}, sorted(again.folder()));
    }

    private static String[] sorted(File folder) {
        String[] names = folder.list();
        Arrays.sort(names);
        return names;
    }

    @Test
    public void foldersForAdbAreThereBeforeAnythingElse() {
        File storage = context.getExternalFilesDir(null);
        for (String name : new String[] {"bundles", "runs"}) {
            assertTrue(new File(storage, name).isDirectory());
        }
        assertThrows(IOException.class, () -> RunFiles.open(null, "run-1"));
    }

    @Test
    public void namesAreNoPaths() {
        for (String name : new String[] {"../x", "a/b", "", ".", "..", "a b", null}) {
            assertThrows(IOException.class, () -> RunFiles.open(context.getExternalFilesDir("runs"), name));
        }
    }

    @Test
    public void sharingGivesOneFileForReading() throws Exception {
        Robolectric.setupContentProvider(ReportProvider.class, "org.tflitekit.demo.reports");
        Intent chooser = ReportProvider.share(context, "report.json", "{}");
        Intent send = chooser.getParcelableExtra(Intent.EXTRA_INTENT, Intent.class);
        Uri uri = send.getParcelableExtra(Intent.EXTRA_STREAM, Uri.class);
        assertEquals(Intent.ACTION_SEND, send.getAction());
        assertTrue((send.getFlags() & Intent.FLAG_GRANT_READ_URI_PERMISSION) != 0);
        ContentResolver resolver = context.getContentResolver();
        try (InputStream stream = resolver.openInputStream(uri)) {
            assertArrayEquals("{}".getBytes(), stream.readAllBytes());
        }
        for (String path : new String[] {"other.json", "..%2F..%2Fdatabases%2Fx", "a/report.json"}) {
            Uri wrong = Uri.parse("content://org.tflitekit.demo.reports/" + path);
            assertThrows(path, FileNotFoundException.class, () -> resolver.openInputStream(wrong));
        }
    }
}
