package org.tflitekit.demo.ui;

import android.content.Context;
import android.content.Intent;
import java.io.IOException;
import org.tflitekit.core.runs.RunFiles;

/** A run that was started by an intent with {@code run_id}: its result goes into files for {@code adb pull}. */
public final class RunRequest {
    private static final String EXTRA_RUN_ID = "run_id";

    private final RunFiles files;

    private RunRequest(RunFiles files) {
        this.files = files;
    }

    /**
     * Returns the request of an intent; null where it has none.
     *
     * @throws IOException its name is none, or there is no storage
     */
    public static RunRequest of(Context context, Intent intent) throws IOException {
        String id = intent.getStringExtra(EXTRA_RUN_ID);
        return id == null ? null : new RunRequest(RunFiles.open(context.getExternalFilesDir("runs"), id));
    }

    /** Says how far the run is. */
    public void progress(int done, int planned, String what) throws IOException {
        files.progress(done, planned, what);
    }

    /** Writes the result, and returns where. */
    public String finish(String name, String json) throws IOException {
        return files.finish(name, json).getPath();
    }

    /** Writes why there is no result. */
    public void fail(String words) throws IOException {
        files.fail(words);
    }
}
