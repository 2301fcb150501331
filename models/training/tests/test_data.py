"""Tests of data.py."""

import csv
from datetime import datetime, timezone

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import data


def test_parquet_becomes_sorted_csv_with_readable_instants(tmp_path):
    later, earlier = datetime(2024, 5, 1, 12, 0, 0, 500_000), datetime(2024, 4, 30, 23, 59)
    instants = [instant.replace(tzinfo=timezone.utc) for instant in (later, earlier)]
    for zone, first in [("UTC", "2024-04-30T23:59:00.000Z"), (None, "2024-04-30T23:59:00.000")]:
        timestamps = pa.array(instants, pa.timestamp("us", "UTC")).cast(pa.timestamp("us", zone))
        table = pa.table({"transaction_id": ["b", "a"], "amount": [2.5, None], "timestamp": timestamps})
        pyarrow.parquet.write_table(table, tmp_path / "some.parquet")
        data.parquet_to_csv(tmp_path / "some.parquet", tmp_path / "some.csv")
        rows = list(csv.DictReader((tmp_path / "some.csv").open()))
        assert [row["transaction_id"] for row in rows] == ["a", "b"]
        assert (rows[0]["timestamp"], rows[0]["amount"], rows[1]["amount"]) == (first, "", "2.5")


def test_categories_are_ordered_by_their_share_of_frauds_in_training():
    random = np.random.default_rng(1)
    codes = random.integers(0, 3, 9000).astype(np.float32)
    is_fraud = (random.random(9000) < np.array([0.2, 0.0, 0.05])[codes.astype(int)]).astype(np.int8)
    codes[:3] = [np.nan, 3, 0]
    features = data.Features(["amount", "category"], ["risky", "safe", "middling"], None, is_fraud, np.arange(9000))
    features.values = np.column_stack([np.zeros(9000), codes]).astype(np.float32)
    before = [features.categories[int(code)] for code in codes[3:]]
    data.order_categories(features, slice(0, 8000))
    assert features.categories == ["safe", "middling", "risky"]
    # Every row still names its category; others and missing ones stay as they were.
    assert [features.categories[int(code)] for code in features.values[3:, 1]] == before
    assert np.isnan(features.values[0, 1]) and features.values[1, 1] == 3 and features.values[2, 1] == 2


def test_a_column_is_read_only_where_there_is_one(tmp_path):
    path = tmp_path / "some.csv"
    path.write_text('transaction_id,location,fraud_kind\n1,"Lyon, FR",\n2,x,slow_drain\n')
    assert list(data.column_of(path, "fraud_kind")) == ["", "slow_drain"]
    assert data.column_of(path, "channel") is None
    assert data.columns_of(path) == ["transaction_id", "location", "fraud_kind"]
    lines = tmp_path / "some.ndjson"
    lines.write_text('{"transaction":{"amount":1,"merchant":"x"}}\n{"amount":2}\n')
    assert data.columns_of(lines) == ["amount", "merchant"]


def test_what_cannot_be_read_is_refused_in_a_sentence(tmp_path):
    pyarrow.parquet.write_table(pa.table({"when": [1]}), tmp_path / "some.parquet")
    with pytest.raises(data.DataError, match="no column `timestamp`"):
        data.prepare(tmp_path / "binary", tmp_path / "some.parquet", "", tmp_path)
    with pytest.raises(data.DataError, match="is no file"):
        data.prepare(tmp_path / "binary", tmp_path / "missing.csv", "", tmp_path)


def test_each_feature_belongs_to_one_group():
    groups = {
        "amount": "transaction",
        "category": "transaction",
        "user_count_1h": "user",
        "user_category_ratio_30d": "user",
        "user_frauds_7d": "labels",
        "merchant_mean_30d": "merchant",
        "merchant_fraud_share_1d": "labels",
    }
    assert {feature: data.group_of(feature) for feature in groups} == groups
