package org.tflitekit.demo.runs;

import android.content.Context;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.Charset;

/**
 * What runs leave for {@code adb pull}: {@code runs/RUN_ID/report.json} or {@code verification.json} in the app's own storage, and beside
 * it {@code done}, or {@code failed} with the reason. Files are written whole.
 */
public final class RunFiles {
    private static final Charset UTF_8 = Charset.forName("UTF-8");

    private final File folder;

    private RunFiles(File folder) {
        this.folder = folder;
    }

    /**
     * Opens the folder of one run and removes what an earlier one left.
     *
     * @param runId letters, digits, dots, dashes and underscores
     * @throws IOException the name is none, or the storage is not there
     */
    public static RunFiles open(Context context, String runId) throws IOException {
        if (runId == null || !runId.matches("[A-Za-z0-9_-][A-Za-z0-9._-]*")) {
            throw new IOException("'" + runId + "' is no name of a run. Give letters, digits, dots, dashes and underscores.");
        }
        File parent = context.getExternalFilesDir("runs");
        if (parent == null) {
            throw new IOException("The app's storage is not there at the moment, so the run cannot be kept.");
        }
        File folder = new File(parent, runId);
        if (!folder.isDirectory() && !folder.mkdirs()) {
            throw new IOException("The folder " + folder + " cannot be made.");
        }
        RunFiles files = new RunFiles(folder);
        for (String name : new String[] {"done", "failed", "report.json", "verification.json"}) {
            files.remove(name);
        }
        return files;
    }

    public File folder() {
        return folder;
    }

    /** Writes the result, then the mark that it is there. */
    public File finish(String name, String json) throws IOException {
        write(name, json);
        write("done", "");
        return new File(folder, name);
    }

    /** Writes why there is no result. */
    public void fail(String words) throws IOException {
        write("failed", words + "\n");
    }

    private void remove(String name) throws IOException {
        File file = new File(folder, name);
        if (file.exists() && !file.delete()) {
            throw new IOException("The file " + file + " of an earlier run cannot be removed.");
        }
    }

    private void write(String name, String text) throws IOException {
        File whole = new File(folder, name);
        File part = new File(folder, name + ".part");
        try (FileOutputStream stream = new FileOutputStream(part)) {
            stream.write(text.getBytes(UTF_8));
            stream.getFD().sync();
        }
        if (!part.renameTo(whole)) {
            throw new IOException("The file " + whole + " cannot be written.");
        }
    }
}
