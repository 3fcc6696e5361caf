package org.tflitekit.core.runs;

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.Charset;

/**
 * What runs leave for {@code adb pull}: {@code runs/RUN_ID/report.json} or {@code verification.json} in the app's own storage, and beside
 * it {@code done}, or {@code failed} with the reason; while they last, {@code progress}. Files are written whole.
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
     * @param parent the folder of all runs; null where the storage is not there
     * @param runId letters, digits, dots, dashes and underscores
     * @throws IOException the name is none, or the storage is not there
     */
    public static RunFiles open(File parent, String runId) throws IOException {
        if (runId == null || !runId.matches("[A-Za-z0-9_-][A-Za-z0-9._-]*")) {
            throw new IOException("'" + runId + "' is no name of a run. Give letters, digits, dots, dashes and underscores.");
        }
        if (parent == null) {
            throw new IOException("The app's storage is not there at the moment, so the run cannot be kept.");
        }
        File folder = new File(parent, runId);
        if (!folder.isDirectory() && !folder.mkdirs()) {
            throw new IOException("The folder " + folder + " cannot be made.");
        }
        RunFiles files = new RunFiles(folder);
        for (String name : new String[] {"done", "failed", "progress", "report.json", "verification.json"}) {
            files.remove(name);
        }
        return files;
    }

    public File folder() {
        return folder;
    }

    /** Says how far the run is: steps done, of those planned, and what it works on. */
    public void progress(int done, int planned, String what) throws IOException {
        write("progress", done + " " + planned + " " + what + "\n", false);
    }

    /** Writes the result, then the mark that it is there. */
    public File finish(String name, String json) throws IOException {
        write(name, json, true);
        write("done", "", true);
        return new File(folder, name);
    }

    /** Writes why there is no result. */
    public void fail(String words) throws IOException {
        write("failed", words + "\n", true);
    }

    private void remove(String name) throws IOException {
        File file = new File(folder, name);
        if (file.exists() && !file.delete()) {
            throw new IOException("The file " + file + " of an earlier run cannot be removed.");
        }
    }

    /** @param safe whether it must be on the disk before this returns, which takes a moment */
    private void write(String name, String text, boolean safe) throws IOException {
        File whole = new File(folder, name);
        File part = new File(folder, name + ".part");
        try (FileOutputStream stream = new FileOutputStream(part)) {
            stream.write(text.getBytes(UTF_8));
            if (safe) {
                stream.getFD().sync();
            }
        }
        if (!part.renameTo(whole)) {
            throw new IOException("The file " + whole + " cannot be written.");
        }
    }
}
