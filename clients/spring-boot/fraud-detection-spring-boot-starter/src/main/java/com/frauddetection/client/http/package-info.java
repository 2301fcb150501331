/**
 * How the client does it. A call runs through here from top to bottom:
 *
 * <pre>
 * HttpMLServiceClient   one method for each call: what is sent, how the answer is read, the fallback
 *   Caller              attempts within the deadline: circuit breaker, pauses, timers
 *     Transport         one attempt: pooled connections, timeouts, headers
 *     Answers           a status and a body to a record or an exception
 * </pre>
 */
package com.frauddetection.client.http;
