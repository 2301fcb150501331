/**
 * A core-banking service in small: takes a transaction, stores it, asks fraud-detection, stores and answers the decision.
 *
 * <p>The road of a request: {@link com.frauddetection.example.banking.FraudController} checks it,
 * {@link com.frauddetection.example.banking.DecisionService} stores, asks and stores again,
 * {@link com.frauddetection.example.banking.ErrorAnswers} turns what fails into problems.
 */
package com.frauddetection.example.banking;
