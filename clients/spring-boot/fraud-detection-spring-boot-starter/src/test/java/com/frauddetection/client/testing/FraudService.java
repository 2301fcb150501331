package com.frauddetection.client.testing;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** The real service as a child process on a port of its own choice, and its log. Killed when closed. */
public final class FraudService implements AutoCloseable {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final HttpClient HTTP =
            HttpClient.newBuilder().connectTimeout(Await.PATIENCE).build();

    private final Process process;
    private final Thread reader;
    private final List<JsonNode> log = new CopyOnWriteArrayList<>();
    private final CompletableFuture<String> address = new CompletableFuture<>();
    private final CompletableFuture<Void> ready = new CompletableFuture<>();

    private FraudService(Process process) {
        this.process = process;
        reader = new Thread(this::readLog, "log of " + process.pid());
        reader.setDaemon(true);
        reader.start();
    }

    /** On any free port. */
    public static FraudService start() {
        return start(Map.of());
    }

    /** With these settings, by their environment variables, over those usual in a test; returns once it is ready. */
    public static FraudService start(Map<String, String> settings) {
        ProcessBuilder builder = new ProcessBuilder(binary().toString(), "serve");
        builder.directory(Repository.root().toFile());
        Map<String, String> environment = builder.environment();
        environment.keySet().retainAll(List.of("PATH", "ORT_DYLIB_PATH", "LD_LIBRARY_PATH"));
        environment.put("ENVIRONMENT", "test");
        environment.put("PORT", "0");
        environment.put("FRAUD_HTTP__HOST", "127.0.0.1");
        environment.put("FRAUD_SCORING__THREADS", "2");
        environment.put("FRAUD_SHUTDOWN__DRAIN_DELAY", "0s");
        environment.putAll(settings);
        builder.redirectError(ProcessBuilder.Redirect.INHERIT);
        FraudService service;
        try {
            service = new FraudService(builder.start());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        try {
            service.ready.get(Await.PATIENCE.toSeconds(), TimeUnit.SECONDS);
        } catch (InterruptedException | ExecutionException | TimeoutException e) {
            service.close();
            throw new AssertionError("the service did not become ready: " + service.log, e);
        }
        return service;
    }

    private static Path binary() {
        String property = System.getProperty("fraud-detection.binary", "");
        if (property.isBlank()) {
            throw new AssertionError("These tests run the real service: say where its binary is, with"
                    + " -Dfraud-detection.binary=target/debug/fraud-detection (relative to the top of the repository)."
                    + " `make test` builds it and says so.");
        }
        Path binary = Repository.root().resolve(property);
        if (!Files.isExecutable(binary)) {
            throw new AssertionError("fraud-detection.binary: " + binary + " is no program. Build it: make runtime,"
                    + " then cargo build");
        }
        return binary;
    }

    public URI url() {
        return URI.create("http://" + address.join());
    }

    public int port() {
        return url().getPort();
    }

    /** The lines so far; all of them once the process has ended and was waited for. */
    public List<JsonNode> log() {
        return log;
    }

    /** The lines of decisions made anew, without those answered from memory. */
    public List<JsonNode> decisions() {
        return log.stream()
                .filter(line -> line.hasNonNull("decision") && !line.path("replayed").asBoolean())
                .toList();
    }

    /** The value of a counter on the page for Prometheus, such as {@code fraud_detection_replayed_total}. */
    public double metric(String series) {
        try {
            HttpRequest request = HttpRequest.newBuilder(URI.create(url() + "/metrics")).timeout(Await.PATIENCE).build();
            String page = HTTP.send(request, HttpResponse.BodyHandlers.ofString()).body();
            return page.lines()
                    .filter(line -> line.startsWith(series + " "))
                    .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
                    .findFirst()
                    .orElseThrow(() -> new AssertionError("no " + series + " in\n" + page));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** Asks it to stop, as an orchestrator does; returns at once. */
    public void terminate() {
        // By its handle: Process.destroy would close its stdout too, and with it the last lines of its log.
        process.toHandle().destroy();
    }

    /** Ends it at once, whatever it is doing. */
    public void kill() {
        process.toHandle().destroyForcibly();
        waitFor();
    }

    /** Waits for its end; its exit code. */
    public int waitFor() {
        try {
            if (!process.waitFor(Await.PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
                throw new AssertionError("the service did not end");
            }
            reader.join(Await.PATIENCE.toMillis());
            return process.exitValue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Override
    public void close() {
        if (process.isAlive()) {
            kill();
        }
    }

    private void readLog() {
        try (BufferedReader lines = process.inputReader()) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                JsonNode event = JSON.readTree(line);
                log.add(event);
                switch (event.path("message").asText()) {
                    case "listening" -> address.complete(event.path("address").asText());
                    case "ready" -> ready.complete(null);
                    default -> {}
                }
            }
        } catch (IOException e) {
            // Killed in the middle of a line.
        } finally {
            ready.completeExceptionally(new IOException("its log ended"));
        }
    }
}
