package com.frauddetection.example.banking;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

/** Starts the service. */
@SpringBootApplication
public class CoreBankingApplication {

    public static void main(String[] arguments) {
        SpringApplication.run(CoreBankingApplication.class, arguments);
    }
}
