package com.frauddetection.client.http;

import java.time.Duration;

/** The instant at which a call gives up, on the monotonic clock. */
record Deadline(long nanoTime) {

    static Deadline after(Duration time) {
        return new Deadline(System.nanoTime() + time.toNanos());
    }

    /** What is left; never negative. */
    Duration remaining() {
        return Duration.ofNanos(Math.max(0, nanoTime - System.nanoTime()));
    }

    boolean passed() {
        return remaining().isZero();
    }

    /** The shorter of the two, at least a millisecond: zero would mean forever to some. */
    Duration limit(Duration time) {
        Duration remaining = remaining();
        Duration shorter = time.compareTo(remaining) < 0 ? time : remaining;
        return shorter.toMillis() > 0 ? shorter : Duration.ofMillis(1);
    }
}
