"""Tests of calibration.py."""

import numpy as np
import pytest

from calibration import CalibrationError, calibrate, rate_at, threshold


def probabilities(count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Genuine transactions near 0 and a few frauds near 1."""
    random = np.random.default_rng(seed)
    frauds = count // 200
    probability = np.concatenate([random.beta(0.5, 60, count - frauds), random.beta(4, 2, frauds)])
    return probability, np.concatenate([np.zeros(count - frauds, np.int8), np.ones(frauds, np.int8)])


@pytest.mark.parametrize("rates", [(0.01, 0.001), (0.02, 0.0005), (0.05, 0.02)])
def test_the_thresholds_stand_where_the_rates_were_asked_for(rates):
    probability, is_fraud = probabilities(100_000)
    points = {point["risk_score"]: point for point in calibrate(probability, is_fraud, *rates)}
    assert sorted(points) == [float(score) for score in range(0, 101, 10)]
    genuine = probability[is_fraud == 0]
    for score, rate in zip((50, 80), rates):
        measured = (genuine >= points[score]["probability"]).mean()
        assert measured == pytest.approx(rate, rel=0.05)
        assert points[score]["false_positive_rate"] == pytest.approx(measured)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("decimals", [None, 2, 3])
def test_maps_rise_strictly_from_0_to_100_even_where_probabilities_coincide(seed, decimals):
    probability, is_fraud = probabilities(20_000, seed)
    if decimals is not None:
        probability = probability.round(decimals)
    points = calibrate(probability, is_fraud, 0.01, 0.001)
    assert (points[0]["probability"], points[0]["risk_score"]) == (0.0, 0.0)
    assert (points[-1]["probability"], points[-1]["risk_score"]) == (1.0, 100.0)
    for low, high in zip(points, points[1:]):
        assert low["probability"] < high["probability"] and low["risk_score"] < high["risk_score"]
        assert low["false_positive_rate"] >= high["false_positive_rate"]


def test_ties_lie_below_the_threshold():
    genuine = np.array([0.9, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert threshold(genuine, 0.1) == pytest.approx(0.7)
    assert threshold(genuine, 0.2) == pytest.approx(0.7)
    assert threshold(genuine, 0.4) == pytest.approx(0.3)
    assert threshold(genuine, 1.0) == pytest.approx(0.05)


def test_rates_meet_the_thresholds():
    assert rate_at(0, 0.01, 0.001) == 1
    assert rate_at(50, 0.01, 0.001) == pytest.approx(0.01)
    assert rate_at(80, 0.01, 0.001) == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("count", "rates", "says"),
    [
        (5_000, (0.01, 0.001), "can be measured from 10000 on"),
        (100_000, (0.001, 0.01), "decline rate < review rate"),
        (100_000, (0.01, 0.0), "decline rate < review rate"),
    ],
)
def test_what_cannot_be_calibrated_is_refused_with_what_to_do(count, rates, says):
    with pytest.raises(CalibrationError, match=says):
        calibrate(*probabilities(count), *rates)


def test_a_model_without_an_opinion_is_refused():
    is_fraud = np.zeros(20_000, np.int8)
    with pytest.raises(CalibrationError, match="same probability"):
        calibrate(np.full(20_000, 0.005), is_fraud, 0.01, 0.001)
