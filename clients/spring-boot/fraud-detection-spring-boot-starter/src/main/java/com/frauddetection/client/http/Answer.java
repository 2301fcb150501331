package com.frauddetection.client.http;

import org.springframework.http.HttpHeaders;

/** What came back, whatever it is. */
record Answer(int status, HttpHeaders headers, byte[] body) {}
