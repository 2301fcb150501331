/**
 * What a bank's code sees of the fraud-detection service: {@link com.frauddetection.client.MLServiceClient}, the records
 * it takes and gives, and its exceptions.
 *
 * <p>The records carry their own JSON names (snake_case), so that any Jackson mapper reads and writes them as the service
 * does and nobody's own mapper has to be set up for it. Their fields are those of the service's OpenAPI document; a test
 * holds the two to each other.
 */
package com.frauddetection.client;
