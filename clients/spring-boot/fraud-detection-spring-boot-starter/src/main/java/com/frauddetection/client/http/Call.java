package com.frauddetection.client.http;

import java.time.Duration;
import org.springframework.http.HttpMethod;

/**
 * What is sent, the same bytes in every attempt.
 *
 * @param operation the call's name in metrics
 * @param body JSON; empty for a GET
 * @param read for the answer to begin, and again for it to be complete
 * @param deadline of all attempts
 */
record Call(String operation, HttpMethod method, String path, byte[] body, Duration read, Duration deadline) {}
