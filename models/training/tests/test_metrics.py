"""Tests of metrics.py."""

import numpy as np
import pytest

import metrics


def test_average_precision_and_auc_of_a_small_ranking():
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])
    # The textbook example of scikit-learn's documentation: 0.8333 and 0.75.
    assert metrics.average_precision(labels, scores) == pytest.approx(5 / 6)
    assert metrics.auc(labels, scores) == pytest.approx(0.75)


def test_a_model_that_says_the_same_of_all_is_worth_the_base_rate():
    labels = np.array([1, 0, 0, 0] * 25)
    same = np.full(100, 0.5)
    assert metrics.average_precision(labels, same) == pytest.approx(0.25)
    assert metrics.auc(labels, same) == pytest.approx(0.5)


def test_recall_at_alerts_counts_the_riskiest_only():
    labels = np.zeros(1000, int)
    labels[[0, 5, 999]] = 1
    scores = np.linspace(1, 0, 1000)
    assert metrics.recall_at_alerts(labels, scores, 0.01) == pytest.approx(2 / 3)
    assert metrics.recall_at_alerts(labels, scores, 1.0) == 1.0


def test_one_feature_is_used_as_well_as_it_can_be():
    random = np.random.default_rng(1)
    values = random.normal(size=40_000).astype(np.float32)
    # Risky in the middle of its range and where it is missing: no threshold could tell.
    values[:4000] = np.nan
    labels = ((np.abs(values) < 0.05) | (np.isnan(values) & (random.random(40_000) < 0.9))).astype(np.int8)
    half = np.arange(40_000) % 2 == 0
    assert metrics.best_use_of_one_feature(values[half], labels[half], values[~half], labels[~half]) > 0.8
    noise = random.normal(size=40_000).astype(np.float32)
    assert metrics.best_use_of_one_feature(noise[half], labels[half], noise[~half], labels[~half]) < 0.15
