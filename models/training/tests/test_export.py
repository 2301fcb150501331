"""Tests of export.py."""

import lightgbm
import numpy as np
import pytest

import learn
import parity
from export import float32_floor, to_onnx

NAMES = ["amount", "category", "user_count_24h", "user_category_count_30d", "user_distance_km", "user_speed_kmh"]


@pytest.mark.parametrize("value", [0.1, 1.0, -0.1, 1e-35, 1.0000000180025095e-35, 16777217.0, 3.5e38, -3.5e38, 0.0])
def test_a_rounded_threshold_splits_float32_values_as_the_exact_one(value):
    rounded = float32_floor(value)
    assert rounded <= value
    near = np.float32(rounded)
    with np.errstate(over="ignore"):
        for x in (near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))):
            assert (float(x) <= value) == (x <= near)


@pytest.fixture(scope="module")
def trained() -> tuple[lightgbm.Booster, np.ndarray]:
    """A small model on float32 values that stress thresholds: tenths, neighbours, large whole numbers, NaN."""
    random = np.random.default_rng(7)
    features = np.column_stack(
        [
            random.integers(0, 50, 20_000) / 10,
            random.integers(0, 8, 20_000),
            random.integers(0, 1 << 25, 20_000),
            random.poisson(2, 20_000),
            np.nextafter(np.float32(1.1), random.choice([0, 2], 20_000).astype(np.float32)),
            random.normal(size=20_000),
        ]
    ).astype(np.float32)
    risk = features[:, 0] * features[:, 5] + (features[:, 4] > 1.1) + random.normal(size=20_000)
    is_fraud = (risk > 3).astype(np.int8)
    settings = learn.Settings(trees=40, leaves=15, learning_rate=0.2, threads=1, seed=1)
    booster = learn.train(features, is_fraud, features[:4000], is_fraud[:4000], NAMES, settings)
    return booster, features


def test_the_exported_model_scores_as_the_trained_one(trained):
    booster, features = trained
    assert parity.check(booster, to_onnx(booster), features) <= parity.TOLERANCE


def test_each_feature_may_be_missing_even_one_that_never_was(trained):
    booster, features = trained
    model = to_onnx(booster)
    for column in range(len(NAMES)):
        holes = features[:2000].copy()
        holes[:, column] = np.nan
        assert parity.check(booster, model, holes) <= parity.TOLERANCE
    nothing = np.full((1, len(NAMES)), np.nan, np.float32)
    assert parity.check(booster, model, nothing) <= parity.TOLERANCE


def test_parity_refuses_another_model(trained):
    booster, features = trained
    fewer = lightgbm.Booster(model_str=booster.model_to_string(num_iteration=10))
    with pytest.raises(parity.ParityError, match="differs from the trained one"):
        parity.check(booster, to_onnx(fewer), features)


def test_other_objectives_are_refused():
    data = lightgbm.Dataset(np.random.default_rng(1).normal(size=(200, 2)), np.arange(200.0))
    booster = lightgbm.train({"objective": "regression", "verbosity": -1}, data, 2)
    with pytest.raises(ValueError, match="only a binary model"):
        to_onnx(booster)
