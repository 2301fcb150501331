"""The manifest of a model version: what the service must know of it, and the golden rows that prove it."""

import hashlib
import json
from pathlib import Path

import numpy as np

from calibration import calibrate
from export import INPUT, PROBABILITIES
from learn import hide_history

NAME = "fraud-detection"

# Windows as feature names write them, and in words.
WINDOWS = {
    "10m": "10 minutes",
    "1h": "hour",
    "24h": "24 hours",
    "1d": "24 hours",
    "7d": "7 days",
    "30d": "30 days",
}
_STATISTICS = {
    "count": "the number of transactions of the last {}",
    "sum": "the money spent in the last {}",
    "mean": "the mean amount of the last {}",
    "ratio": "the amount as a multiple of the mean of the last {}",
    "zscore": "the amount in standard deviations from the mean of the last {}",
    "frauds": "the number of frauds that became known in the last {}",
    "share": "the share of frauds among the transactions of the last {}",
}
_LABELS = {
    "amount": "the amount",
    "log_amount": "the logarithm of the amount",
    "hour": "the hour of the day",
    "day_of_week": "the day of the week",
    "night": "whether it is night",
    "weekend": "whether it is the weekend",
    "category": "the merchant category",
    "user_seconds_since_last": "the seconds since the last transaction",
    "user_first_time_at_merchant": "whether the merchant is new to the user",
    "user_distance_km": "the distance from the last place in kilometres",
    "user_speed_kmh": "the speed from the last place in kilometres an hour",
}


def label(feature: str) -> str:
    """What a person calls a feature; the name itself where nobody has said."""
    if feature in _LABELS:
        return _LABELS[feature]
    stem, _, window = feature.rpartition("_")
    statistic = stem.rpartition("_")[2]
    if window not in WINDOWS or statistic not in _STATISTICS:
        return feature
    places = {"user_category_": " in this category", "merchant_": " at this merchant"}
    where = next((place for prefix, place in places.items() if stem.startswith(prefix)), "")
    return _STATISTICS[statistic].format(WINDOWS[window]) + where


def baseline(genuine: np.ndarray) -> float | None:
    """The usual value of a feature among genuine transactions; none where it is usually missing."""
    known = genuine[~np.isnan(genuine)]
    return number(np.median(known).astype(np.float32)) if 2 * len(known) > len(genuine) else None


def number(value: np.float32) -> float | None:
    """A float32 as the shortest decimal that reads back as the same float32; none for a missing one."""
    return None if np.isnan(value) else float(str(np.float32(value)))


def golden_rows(booster, features: np.ndarray, is_fraud: np.ndarray, names: list[str]) -> list[dict]:
    """Real rows of the test span, from sure to unsure, with and without history, and with each feature missing."""
    probability = booster.predict(features)
    ranked = np.argsort(-probability, kind="stable")
    frauds, genuine = ranked[is_fraud[ranked] == 1], ranked[is_fraud[ranked] == 0]

    def spread(rows: np.ndarray, count: int) -> np.ndarray:
        return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]

    chosen = np.concatenate([spread(frauds, 8), spread(genuine[: len(genuine) // 100 + 8], 6), spread(genuine, 6)])
    real = features[chosen]
    with_holes = real[np.arange(len(names)) % len(real)].copy()
    np.fill_diagonal(with_holes, np.nan)
    rows = np.concatenate([real, hide_history(real, names), with_holes, np.full((1, len(names)), np.nan, np.float32)])
    return [
        {"features": [number(value) for value in row], "probability": float(probability)}
        for row, probability in zip(rows, booster.predict(rows))
    ]


def calibration_maps(booster, features, is_fraud, names, review_rate: float, decline_rate: float) -> dict:
    """One map for full history and one for missing history, both from the validation span."""
    return {
        "full": calibrate(booster.predict(features), is_fraud, review_rate, decline_rate),
        "missing": calibrate(booster.predict(hide_history(features, names)), is_fraud, review_rate, decline_rate),
    }


def risk_score(points: list[dict[str, float]], probability: np.ndarray) -> np.ndarray:
    """The risk score of each probability by a calibration map, as the service reads it."""
    return np.interp(probability, [p["probability"] for p in points], [p["risk_score"] for p in points])


def write(folder: Path, manifest: dict, model: bytes) -> None:
    """Writes the version's two files. One golden row, point and feature a line: differences stay readable."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model)
    head = {
        "format": 1,
        "name": NAME,
        "version": manifest["version"],
        "file": "model.onnx",
        "sha256": hashlib.sha256(model).hexdigest(),
        "input": INPUT,
        "output": PROBABILITIES,
        "output_column": 1,
    }
    (folder / "manifest.json").write_text(_json({**head, **manifest}) + "\n", encoding="utf-8")


def _json(value, indent: str = "") -> str:
    """JSON in which a list of objects has one a line, and anything flat stays on its line."""
    inner = indent + "  "
    if isinstance(value, dict) and any(isinstance(item, (dict, list)) for item in value.values()):
        parts = [f"{inner}{json.dumps(key)}: {_json(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(parts) + "\n" + indent + "}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(inner + json.dumps(item) for item in value) + "\n" + indent + "]"
    return json.dumps(value, ensure_ascii=False)
