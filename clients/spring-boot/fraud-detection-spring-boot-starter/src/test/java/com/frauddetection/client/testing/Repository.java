package com.frauddetection.client.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The repository that these tests stand in. */
public final class Repository {

    private Repository() {}

    public static Path root() {
        Path folder = Path.of("").toAbsolutePath();
        while (folder != null && !Files.exists(folder.resolve("docs/openapi.json"))) {
            folder = folder.getParent();
        }
        if (folder == null) {
            throw new AssertionError("no docs/openapi.json here or above: these tests run inside the repository");
        }
        return folder;
    }

    public static String read(String path) {
        try {
            return Files.readString(root().resolve(path));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
