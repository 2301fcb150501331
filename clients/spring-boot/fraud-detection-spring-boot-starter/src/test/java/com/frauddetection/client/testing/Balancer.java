package com.frauddetection.client.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.HttpURLConnection;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * One address before several services, in turn by connection, as a load balancer does it: it asks each target for
 * {@code /ready} and gives new connections only to those that say yes. Nobody tells it that a target is about to stop.
 * Connections that stand stay where they are until one side closes.
 */
public final class Balancer implements AutoCloseable {

    private static final class Target {
        final int port;
        volatile boolean ready;

        Target(int port) {
            this.port = port;
        }
    }

    private final ServerSocket server;
    private final List<Target> targets = new CopyOnWriteArrayList<>();
    private final List<Socket> sockets = new CopyOnWriteArrayList<>();
    private final AtomicInteger turn = new AtomicInteger();
    private volatile boolean closed;

    public Balancer() {
        try {
            server = new ServerSocket(0, 256, InetAddress.getLoopbackAddress());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        daemon("balancer", this::accept);
        daemon("balancer probes", this::probe);
    }

    public URI url() {
        return URI.create("http://127.0.0.1:" + server.getLocalPort());
    }

    /** A further target; it gets its share once it is ready. */
    public void add(int port) {
        targets.add(new Target(port));
    }

    /** A target that has ended. */
    public void remove(int port) {
        targets.removeIf(target -> target.port == port);
    }

    /** Whether this target gets new connections. */
    public boolean serves(int port) {
        return targets.stream().anyMatch(target -> target.port == port && target.ready);
    }

    @Override
    public void close() {
        closed = true;
        closeQuietly(server);
        sockets.forEach(Balancer::closeQuietly);
    }

    private void probe() {
        while (!closed) {
            for (Target target : targets) {
                target.ready = isReady(target.port);
            }
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(50));
        }
    }

    private static boolean isReady(int port) {
        try {
            HttpURLConnection probe = (HttpURLConnection)
                    URI.create("http://127.0.0.1:" + port + "/ready").toURL().openConnection();
            probe.setConnectTimeout(1000);
            probe.setReadTimeout(1000);
            try {
                return probe.getResponseCode() == 200;
            } finally {
                probe.disconnect();
            }
        } catch (IOException e) {
            return false;
        }
    }

    private void accept() {
        try {
            while (true) {
                Socket caller = server.accept();
                sockets.add(caller);
                Socket target = connect();
                if (target == null) {
                    closeQuietly(caller);
                    continue;
                }
                sockets.add(target);
                daemon("balancer up", () -> pump(caller, target));
                daemon("balancer down", () -> pump(target, caller));
            }
        } catch (IOException e) {
            // Closed.
        }
    }

    /** To the next target in turn that is ready and takes the connection; null where none does. */
    private Socket connect() {
        List<Target> candidates = new ArrayList<>(targets);
        for (int i = 0; i < candidates.size(); i++) {
            Target target = candidates.get(Math.floorMod(turn.getAndIncrement(), candidates.size()));
            if (target.ready) {
                try {
                    Socket socket = new Socket();
                    socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), target.port), 1000);
                    return socket;
                } catch (IOException e) {
                    // The next one.
                }
            }
        }
        return null;
    }

    /** Until one side closes: then the other side is told, and may still finish what it is sending. */
    private static void pump(Socket from, Socket to) {
        try {
            from.setTcpNoDelay(true);
            to.setTcpNoDelay(true);
            from.getInputStream().transferTo(to.getOutputStream());
            to.shutdownOutput();
        } catch (IOException e) {
            closeQuietly(from);
            closeQuietly(to);
        }
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
