"""Tests of learn.py."""

import numpy as np

import learn

NAMES = ["amount", "category", "user_count_24h", "user_category_count_30d", "user_distance_km", "user_speed_kmh"]


def test_hidden_history_leaves_the_transaction_and_the_original_alone():
    features = np.ones((5, len(NAMES)), np.float32)
    hidden = learn.hide_history(features, NAMES)
    assert np.isnan(hidden[:, 2:]).all() and not np.isnan(hidden[:, :2]).any()
    assert np.isnan(learn.hide_history(np.ones((1, 1), np.float32), ["merchant_frauds_7d"])).all()
    assert not np.isnan(features).any()


def test_each_feature_that_may_be_missing_is_missing_somewhere_and_its_kin_with_it():
    features = np.ones((20_000, len(NAMES)), np.float32)
    partial = np.isnan(learn.hide_some_details(features, NAMES, np.random.default_rng(1)))
    assert 0.02 < partial[:, 1].mean() < 0.04 and 0.02 < partial[:, 4].mean() < 0.04
    assert (partial[:, 1] == partial[:, 3]).all() and (partial[:, 4] == partial[:, 5]).all()
    assert not partial[:, [0, 2]].any()
