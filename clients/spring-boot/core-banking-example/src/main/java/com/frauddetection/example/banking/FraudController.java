package com.frauddetection.example.banking;

import jakarta.validation.Valid;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RestController;

/** The bank's own address for fraud decisions. */
@RestController
@RequestMapping("/api/v1/fraud")
class FraudController {

    private final DecisionService decisions;

    FraudController(DecisionService decisions) {
        this.decisions = decisions;
    }

    /** Decides on a transaction; the same one again gets the same answer. */
    @PostMapping("/analyze")
    AnalyzeResponse analyze(@Valid @RequestBody AnalyzeRequest request) {
        return AnalyzeResponse.of(decisions.decide(request.toTransaction()));
    }
}
