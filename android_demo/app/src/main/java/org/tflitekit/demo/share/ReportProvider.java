package org.tflitekit.demo.share;

import android.content.ClipData;
import android.content.ContentProvider;
import android.content.ContentValues;
import android.content.Context;
import android.content.Intent;
import android.database.Cursor;
import android.database.MatrixCursor;
import android.net.Uri;
import android.os.ParcelFileDescriptor;
import android.provider.OpenableColumns;
import java.io.File;
import java.io.FileNotFoundException;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.Charset;

/** Gives other apps the JSON that the user shares with them, read-only, for as long as the system grants it. */
public final class ReportProvider extends ContentProvider {
    private static final String FOLDER = "shared";

    /**
     * Returns an intent that shares a text as a file.
     *
     * @param name of the file, ending in {@code .json}
     */
    public static Intent share(Context context, String name, String json) throws IOException {
        File folder = new File(context.getCacheDir(), FOLDER);
        if (!folder.isDirectory() && !folder.mkdirs()) {
            throw new IOException("There is no room for the file to share.");
        }
        try (FileOutputStream stream = new FileOutputStream(new File(folder, name))) {
            stream.write(json.getBytes(Charset.forName("UTF-8")));
        }
        Uri uri = new Uri.Builder().scheme("content").authority(context.getPackageName() + ".reports").appendPath(name).build();
        Intent send = new Intent(Intent.ACTION_SEND).setType("application/json").putExtra(Intent.EXTRA_STREAM, uri);
        send.setClipData(ClipData.newRawUri(name, uri));
        send.addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION);
        return Intent.createChooser(send, null);
    }

    @Override
    public boolean onCreate() {
        return true;
    }

    @Override
    public ParcelFileDescriptor openFile(Uri uri, String mode) throws FileNotFoundException {
        return ParcelFileDescriptor.open(file(uri), ParcelFileDescriptor.MODE_READ_ONLY);
    }

    @Override
    public Cursor query(Uri uri, String[] projection, String selection, String[] arguments, String order) {
        MatrixCursor cursor = new MatrixCursor(new String[] {OpenableColumns.DISPLAY_NAME, OpenableColumns.SIZE});
        try {
            File file = file(uri);
            cursor.addRow(new Object[] {file.getName(), file.length()});
        } catch (FileNotFoundException error) {
            return cursor; // no rows
        }
        return cursor;
    }

    @Override
    public String getType(Uri uri) {
        return "application/json";
    }

    private File file(Uri uri) throws FileNotFoundException {
        String name = uri.getLastPathSegment();
        Context context = getContext();
        if (name == null || context == null || uri.getPathSegments().size() != 1
                || !name.matches("[A-Za-z0-9_-][A-Za-z0-9._-]*")) {
            throw new FileNotFoundException("There is no file at " + uri + ".");
        }
        File file = new File(new File(context.getCacheDir(), FOLDER), name);
        if (!file.isFile()) {
            throw new FileNotFoundException("There is no file at " + uri + ".");
        }
        return file;
    }

    @Override
    public Uri insert(Uri uri, ContentValues values) {
        throw new UnsupportedOperationException("Reports are read-only.");
    }

    @Override
    public int delete(Uri uri, String selection, String[] arguments) {
        throw new UnsupportedOperationException("Reports are read-only.");
    }

    @Override
    public int update(Uri uri, ContentValues values, String selection, String[] arguments) {
        throw new UnsupportedOperationException("Reports are read-only.");
    }
}
