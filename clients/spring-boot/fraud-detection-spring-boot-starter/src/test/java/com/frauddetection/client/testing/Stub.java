package com.frauddetection.client.testing;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * A server that misbehaves as told. It stands on sockets, since no HTTP server can be told to send half an answer.
 * Requests are answered by the behaviours in order, the last one for good.
 */
public final class Stub implements AutoCloseable {

    /** What happens once a request has been read. */
    public interface Behaviour {
        /** @return whether the connection stays open */
        boolean answer(Request request, OutputStream out) throws IOException, InterruptedException;
    }

    /** A request as it arrived, header names in lower case. */
    public record Request(String line, Map<String, String> headers, String body) {
        public String path() {
            return line.split(" ")[1];
        }
    }

    private final ServerSocket server;
    private final List<Behaviour> behaviours;
    private final List<Request> requests = new CopyOnWriteArrayList<>();
    private final List<Socket> sockets = new CopyOnWriteArrayList<>();
    private final CountDownLatch closed = new CountDownLatch(1);

    public Stub(Behaviour... behaviours) {
        this.behaviours = new CopyOnWriteArrayList<>(behaviours);
        try {
            server = new ServerSocket(0, 64, InetAddress.getLoopbackAddress());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        daemon("stub", this::accept);
    }

    /** An answer in order. */
    public static Behaviour json(int status, String body, String... headers) {
        return raw(status, "application/json", body, headers);
    }

    public static Behaviour problem(int status, String code, String... headers) {
        String body =
                """
                {"type":"urn:problem-type:fraud-detection:%s","title":"T","status":%d,"detail":"D","code":"%s",
                 "request_id":"r1"}"""
                        .formatted(code, status, code);
        return raw(status, "application/problem+json", body, headers);
    }

    public static Behaviour raw(int status, String contentType, String body, String... headers) {
        return (request, out) -> {
            StringBuilder head = new StringBuilder("HTTP/1.1 " + status + " S\r\nContent-Type: " + contentType + "\r\n");
            for (String header : headers) {
                head.append(header).append("\r\n");
            }
            byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
            head.append("Content-Length: ").append(bytes.length).append("\r\n\r\n");
            send(out, head.toString());
            out.write(bytes);
            out.flush();
            return true;
        };
    }

    /** Approves whatever it is asked. */
    public static Behaviour approve() {
        return (request, out) -> {
            String id = request.body().replaceAll("(?s).*\"transaction_id\":\"([^\"]*)\".*", "$1");
            return json(200, decision(id)).answer(request, out);
        };
    }

    public static String decision(String transactionId) {
        return """
                {"transaction_id":"%s","is_fraud":false,"fraud":false,"risk_score":3,"fraud_probability":0.01,
                 "decision":"approve","red_flags":[],"reasoning":"Fine.","model_version":"v1","history":"none"}"""
                .formatted(transactionId);
    }

    /** Closes the connection without a word. */
    public static Behaviour hangUp() {
        return (request, out) -> false;
    }

    /** Says something that is not HTTP. */
    public static Behaviour noise() {
        return (request, out) -> {
            send(out, "\u0000\u0001 this is not HTTP\r\n\r\n");
            return false;
        };
    }

    /** Never answers; ends with the stub. */
    public Behaviour silence() {
        return (request, out) -> {
            closed.await();
            return false;
        };
    }

    /** Sends a good beginning and then a byte now and then, for as long as anybody listens. */
    public static Behaviour trickle(String beginning) {
        return (request, out) -> {
            send(out, beginning);
            while (true) {
                send(out, " ");
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(5));
            }
        };
    }

    /** What answers the next requests. */
    public void then(Behaviour... next) {
        behaviours.clear();
        behaviours.addAll(List.of(next));
    }

    public URI url() {
        return URI.create("http://127.0.0.1:" + server.getLocalPort());
    }

    public List<Request> requests() {
        return requests;
    }

    /** How many connections were ever made. */
    public int connections() {
        return sockets.size();
    }

    @Override
    public void close() {
        closed.countDown();
        closeQuietly(server);
        sockets.forEach(Stub::closeQuietly);
    }

    private void accept() {
        try {
            while (true) {
                Socket socket = server.accept();
                socket.setTcpNoDelay(true);
                sockets.add(socket);
                daemon("stub connection", () -> serve(socket));
            }
        } catch (IOException e) {
            // Closed.
        }
    }

    private void serve(Socket socket) {
        try (socket) {
            InputStream in = socket.getInputStream();
            for (Request request = read(in); request != null; request = read(in)) {
                Behaviour behaviour;
                synchronized (this) {
                    requests.add(request);
                    behaviour = behaviours.size() > 1 ? behaviours.remove(0) : behaviours.get(0);
                }
                if (!behaviour.answer(request, socket.getOutputStream())) {
                    return;
                }
            }
        } catch (IOException e) {
            // The caller gave up, or the stub was closed.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static Request read(InputStream in) throws IOException {
        ByteArrayOutputStream head = new ByteArrayOutputStream();
        while (!head.toString(StandardCharsets.ISO_8859_1).endsWith("\r\n\r\n")) {
            int next = in.read();
            if (next < 0) {
                return null;
            }
            head.write(next);
        }
        String[] lines = head.toString(StandardCharsets.ISO_8859_1).split("\r\n");
        Map<String, String> headers = new TreeMap<>();
        for (int i = 1; i < lines.length; i++) {
            int colon = lines[i].indexOf(':');
            headers.put(lines[i].substring(0, colon).toLowerCase(Locale.ROOT), lines[i].substring(colon + 1).strip());
        }
        int length = Integer.parseInt(headers.getOrDefault("content-length", "0"));
        return new Request(lines[0], headers, new String(in.readNBytes(length), StandardCharsets.UTF_8));
    }

    private static void send(OutputStream out, String text) throws IOException {
        out.write(text.getBytes(StandardCharsets.ISO_8859_1));
        out.flush();
    }

    private static void daemon(String name, Runnable work) {
        Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        thread.start();
    }

    private static void closeQuietly(AutoCloseable closeable) {
        try {
            closeable.close();
        } catch (Exception e) {
            // Already gone.
        }
    }
}
