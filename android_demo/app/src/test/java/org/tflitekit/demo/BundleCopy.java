package org.tflitekit.demo;

import static org.junit.Assert.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.MessageDigest;
import java.util.Iterator;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;
import org.tflitekit.core.bundle.Bundle;
import org.tflitekit.core.bundle.BundleException;
import org.tflitekit.core.bundle.BundleFolder;

/** A copy of the bundle under test, to be damaged. */
final class BundleCopy {
    /** Changes bundle.json. */
    interface Edit {
        void apply(JSONObject description) throws JSONException;
    }

    final File folder;

    private BundleCopy(File folder) {
        this.folder = folder;
    }

    /** Returns where the bundle under test lies. */
    static Path original() {
        return Paths.get(System.getProperty("tflitekit.bundle"));
    }

    static Bundle read() throws BundleException {
        return Bundle.read(new BundleFolder(original().toFile()));
    }

    static BundleCopy into(File folder) throws IOException {
        Path from = original();
        List<Path> all;
        try (Stream<Path> found = Files.walk(from)) {
            all = found.filter(Files::isRegularFile).collect(Collectors.toList());
        }
        for (Path path : all) {
            Path target = folder.toPath().resolve(from.relativize(path).toString());
            Files.createDirectories(target.getParent());
            Files.copy(path, target);
        }
        return new BundleCopy(folder);
    }

    Path path(String file) {
        return folder.toPath().resolve(file);
    }

    JSONObject description() throws IOException, JSONException {
        return new JSONObject(new String(Files.readAllBytes(path("bundle.json")), StandardCharsets.UTF_8));
    }

    BundleCopy edit(Edit edit) throws IOException, JSONException {
        JSONObject description = description();
        edit.apply(description);
        Files.write(path("bundle.json"), description.toString().getBytes(StandardCharsets.UTF_8));
        return this;
    }

    /** Changes the last byte of a file, so that its hash is wrong. */
    BundleCopy damage(String file) throws IOException {
        byte[] content = Files.readAllBytes(path(file));
        content[content.length - 1] ^= 1;
        Files.write(path(file), content);
        return this;
    }

    /** Gives a file another content that bundle.json vouches for. */
    BundleCopy replace(String file, byte[] content) throws Exception {
        Files.write(path(file), content);
        StringBuilder hash = new StringBuilder();
        for (byte part : MessageDigest.getInstance("SHA-256").digest(content)) {
            hash.append(String.format("%02x", part));
        }
        return edit(description -> assertTrue(file, vouch(description, file, hash.toString(), content.length)));
    }

    private static boolean vouch(Object node, String file, String hash, int size) throws JSONException {
        boolean found = false;
        if (node instanceof JSONArray) {
            for (int i = 0; i < ((JSONArray) node).length(); i++) {
                found |= vouch(((JSONArray) node).get(i), file, hash, size);
            }
        } else if (node instanceof JSONObject) {
            JSONObject object = (JSONObject) node;
            if (file.equals(object.opt("file"))) {
                object.put("sha256", hash);
                if (object.has("size_bytes")) {
                    object.put("size_bytes", size);
                }
                found = true;
            }
            for (Iterator<String> keys = object.keys(); keys.hasNext();) {
                found |= vouch(object.get(keys.next()), file, hash, size);
            }
        }
        return found;
    }
}
