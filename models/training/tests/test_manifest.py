"""Tests of manifest.py."""

import json

import numpy as np
import pytest

import manifest


@pytest.mark.parametrize("value", [0.1, 129.9, 1e-7, 3.4e38, 0.0, -2.5, 16777216.0])
def test_a_number_reads_back_as_the_same_float32(value):
    value = np.float32(value)
    assert np.float32(json.loads(json.dumps(manifest.number(value)))) == value


def test_a_missing_value_is_null():
    assert manifest.number(np.float32(np.nan)) is None


def test_a_baseline_is_the_median_unless_the_feature_is_usually_missing():
    values = np.array([1, 2, 3, 10, np.nan], np.float32)
    assert manifest.baseline(values) == 2.5
    assert manifest.baseline(np.array([1, np.nan, np.nan], np.float32)) is None


def test_every_feature_of_a_window_has_a_label_in_words():
    assert manifest.label("user_ratio_30d") == "the amount as a multiple of the mean of the last 30 days"
    assert manifest.label("user_category_mean_30d") == "the mean amount of the last 30 days in this category"
    assert manifest.label("something_new") == "something_new"


def test_the_written_manifest_is_json_of_the_same_content(tmp_path):
    content = {
        "version": "v9",
        "categories": ["a", "ü"],
        "golden": {"tolerance": 1e-5, "rows": [{"features": [1.0, None], "probability": 0.5}]},
        "training": {"parameters": {"seed": 1}},
    }
    manifest.write(tmp_path / "v9", content, b"model")
    written = json.loads((tmp_path / "v9" / "manifest.json").read_text())
    assert {key: written[key] for key in content} == content
    assert written["sha256"] == "9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4"
