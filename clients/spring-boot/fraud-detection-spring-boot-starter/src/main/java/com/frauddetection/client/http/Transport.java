package com.frauddetection.client.http;

import com.frauddetection.client.MLServiceProperties;
import com.frauddetection.client.MLServiceUnavailableException;
import com.frauddetection.client.MLServiceUnavailableException.Reason;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.binder.httpcomponents.hc5.PoolingHttpClientConnectionManagerMetricsBinder;
import io.micrometer.observation.ObservationRegistry;
import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.NoRouteToHostException;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.Locale;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.regex.Pattern;
import org.apache.hc.client5.http.ConnectTimeoutException;
import org.apache.hc.client5.http.classic.methods.HttpUriRequestBase;
import org.apache.hc.client5.http.config.ConnectionConfig;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.client5.http.impl.io.PoolingHttpClientConnectionManager;
import org.apache.hc.client5.http.impl.io.PoolingHttpClientConnectionManagerBuilder;
import org.apache.hc.core5.http.ClassicHttpRequest;
import org.apache.hc.core5.http.ConnectionRequestTimeoutException;
import org.apache.hc.core5.io.CloseMode;
import org.apache.hc.core5.pool.PoolReusePolicy;
import org.apache.hc.core5.util.TimeValue;
import org.apache.hc.core5.util.Timeout;
import org.slf4j.MDC;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpMethod;
import org.springframework.http.MediaType;
import org.springframework.http.client.ClientHttpResponse;
import org.springframework.http.client.HttpComponentsClientHttpRequestFactory;
import org.springframework.web.client.ResourceAccessException;
import org.springframework.web.client.RestClient;

/**
 * One attempt over HTTP. Knows connections, timeouts and headers; knows neither JSON nor what a status means, and repeats
 * nothing.
 */
final class Transport implements AutoCloseable {

    /** More than the largest batch answer; whoever sends more is not the service. */
    static final int MOST_BYTES = 8 << 20;

    /** What the service takes for a correlation id; with anything else it would make up its own. */
    private static final Pattern CORRELATION_ID = Pattern.compile("[A-Za-z0-9._:-]{1,128}");

    private final MLServiceProperties properties;
    private final ScheduledThreadPoolExecutor timers;
    private final CloseableHttpClient http;
    private final RestClient rest;
    /** The attempt of this thread: Spring's request factory has no parameter for it. */
    private final ThreadLocal<Attempt> current = new ThreadLocal<>();

    Transport(MLServiceProperties properties, MeterRegistry meters, ObservationRegistry observations) {
        this.properties = properties;
        timers = new ScheduledThreadPoolExecutor(1, task -> {
            Thread thread = new Thread(task, "ml-service-deadlines");
            thread.setDaemon(true);
            return thread;
        });
        timers.setRemoveOnCancelPolicy(true);
        PoolingHttpClientConnectionManager connections = PoolingHttpClientConnectionManagerBuilder.create()
                .setMaxConnTotal(properties.pool().maxConnections())
                .setMaxConnPerRoute(properties.pool().maxConnections())
                .setConnPoolPolicy(PoolReusePolicy.LIFO)
                .setDefaultConnectionConfig(ConnectionConfig.custom()
                        .setConnectTimeout(Timeout.of(properties.timeout().connect()))
                        .setSocketTimeout(Timeout.of(properties.timeout().read()))
                        .setTimeToLive(TimeValue.of(properties.pool().maxAge()))
                        .setValidateAfterInactivity(TimeValue.ofSeconds(1))
                        .build())
                .build();
        // Nothing behind our back: no repeating, no redirects, no cookies, no decompression.
        http = HttpClients.custom()
                .setConnectionManager(connections)
                .evictIdleConnections(TimeValue.of(properties.pool().idle()))
                .evictExpiredConnections()
                .disableAutomaticRetries()
                .disableRedirectHandling()
                .disableCookieManagement()
                .disableAuthCaching()
                .disableContentCompression()
                .setUserAgent("fraud-detection-spring-boot-starter")
                .build();
        new PoolingHttpClientConnectionManagerMetricsBinder(connections, "ml-service").bindTo(meters);
        String base = properties.url().toString();
        rest = RestClient.builder()
                .baseUrl(base.endsWith("/") ? base.substring(0, base.length() - 1) : base)
                .requestFactory(new BoundedRequests())
                .observationRegistry(observations)
                .build();
    }

    /**
     * Sends a call once and waits for all of its answer.
     *
     * @throws MLServiceUnavailableException there is no answer, or not all of it, or too much
     */
    Answer send(Call call, Deadline deadline) {
        try (Attempt attempt = new Attempt(timers, deadline, properties.timeout().pool(), call.read())) {
            current.set(attempt);
            try {
                return exchange(call, attempt);
            } catch (ResourceAccessException failure) {
                Throwable cause = failure.getCause() == null ? failure : failure.getCause();
                throw unavailable(reason(cause, attempt, deadline), cause);
            } catch (IllegalStateException failure) {
                throw unavailable(Reason.CONNECTION_LOST, failure);
            } finally {
                current.remove();
            }
        }
    }

    private Answer exchange(Call call, Attempt attempt) {
        RestClient.RequestBodySpec request = rest.method(call.method()).uri(call.path()).headers(this::headers);
        if (call.method() != HttpMethod.GET) {
            request.contentType(MediaType.APPLICATION_JSON).body(call.body());
        }
        return request.exchange((sent, response) -> {
            attempt.bodyBegins();
            return new Answer(response.getStatusCode().value(), response.getHeaders(), all(response, attempt));
        });
    }

    private void headers(HttpHeaders headers) {
        headers.add(HttpHeaders.ACCEPT, "application/json, application/problem+json");
        if (properties.apiKey() != null) {
            headers.add("X-Api-Key", properties.apiKey());
        }
        String correlationId = MDC.get(properties.correlation().mdcKey());
        if (correlationId != null && CORRELATION_ID.matcher(correlationId).matches()) {
            headers.add("X-Correlation-Id", correlationId);
        }
    }

    private static byte[] all(ClientHttpResponse response, Attempt attempt) throws IOException {
        try (InputStream body = response.getBody()) {
            byte[] bytes = body.readNBytes(MOST_BYTES + 1);
            if (bytes.length > MOST_BYTES) {
                // Closing would read on to its end.
                attempt.cancel();
                throw unavailable(Reason.UNREADABLE_ANSWER, new IOException("more than " + MOST_BYTES + " bytes"));
            }
            return bytes;
        }
    }

    private static Reason reason(Throwable cause, Attempt attempt, Deadline deadline) {
        if (Thread.currentThread().isInterrupted()) {
            return Reason.INTERRUPTED;
        }
        if (attempt.cutOff() || deadline.passed()) {
            return deadline.passed() ? Reason.DEADLINE : Reason.READ_TIMEOUT;
        }
        if (cause instanceof ConnectionRequestTimeoutException) {
            return Reason.POOL_EXHAUSTED;
        }
        if (cause instanceof ConnectTimeoutException
                || cause instanceof ConnectException
                || cause instanceof NoRouteToHostException
                || cause instanceof UnknownHostException) {
            return Reason.NOT_CONNECTED;
        }
        return cause instanceof SocketTimeoutException ? Reason.READ_TIMEOUT : Reason.CONNECTION_LOST;
    }

    private static MLServiceUnavailableException unavailable(Reason reason, Throwable cause) {
        String words = reason.name().toLowerCase(Locale.ROOT).replace('_', ' ');
        return new MLServiceUnavailableException(reason, words + ": " + cause.getMessage(), null, null, cause);
    }

    @Override
    public void close() {
        timers.shutdownNow();
        http.close(CloseMode.IMMEDIATE);
    }

    /** Spring's requests over our connections, each bound to the attempt of its thread. */
    private final class BoundedRequests extends HttpComponentsClientHttpRequestFactory {

        BoundedRequests() {
            super(http);
        }

        @Override
        protected ClassicHttpRequest createHttpUriRequest(HttpMethod method, URI uri) {
            ClassicHttpRequest request = super.createHttpUriRequest(method, uri);
            current.get().bind((HttpUriRequestBase) request);
            return request;
        }
    }
}
