"""How well scores rank frauds above genuine transactions. Higher scores are riskier; ties count as ties."""

import numpy as np


def _steps(is_fraud: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each distinct score, highest first: how many transactions and how many frauds reach it."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    last_of_ties = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    frauds = np.cumsum(is_fraud[order] == 1)[last_of_ties]
    return last_of_ties + 1, frauds


def precision_recall(is_fraud: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall at each distinct score, highest first."""
    alerts, frauds = _steps(is_fraud, score)
    return frauds / alerts, frauds / frauds[-1]


def average_precision(is_fraud: np.ndarray, score: np.ndarray) -> float:
    """The mean precision over the frauds, by steps: sum of precision times the gain in recall."""
    precision, recall = precision_recall(is_fraud, score)
    return float(np.sum(precision * np.diff(recall, prepend=0.0)))


def auc(is_fraud: np.ndarray, score: np.ndarray) -> float:
    """The area under the receiver operating characteristic."""
    alerts, frauds = _steps(is_fraud, score)
    recall = np.concatenate([[0.0], frauds / frauds[-1]])
    false_alerts = np.concatenate([[0.0], (alerts - frauds) / (alerts[-1] - frauds[-1])])
    return float(np.trapezoid(recall, false_alerts))


def recall_at_alerts(is_fraud: np.ndarray, score: np.ndarray, share: float) -> float:
    """The share of the frauds among the riskiest `share` of the transactions."""
    alerts = max(1, int(share * len(score)))
    riskiest = np.argsort(-score, kind="stable")[:alerts]
    return float((is_fraud[riskiest] == 1).sum() / (is_fraud == 1).sum())


def summary(is_fraud: np.ndarray, score: np.ndarray) -> dict:
    """The figures of one span, as the manifest holds them."""
    return {
        "rows": int(len(score)),
        "frauds": int((is_fraud == 1).sum()),
        "auc": auc(is_fraud, score),
        "average_precision": average_precision(is_fraud, score),
        "recall_at_half_percent_alerts": recall_at_alerts(is_fraud, score, 0.005),
        "recall_at_one_percent_alerts": recall_at_alerts(is_fraud, score, 0.01),
    }


def best_use_of_one_feature(
    train_values: np.ndarray, train_is_fraud: np.ndarray, test_values: np.ndarray, test_is_fraud: np.ndarray
) -> float:
    """The average precision on the test span of the best rule that sees this one feature and nothing else.

    The rule is the share of frauds in each of some 200 bins of the feature, as it was in training, missing values a
    bin of their own: it may rise and fall as it likes, so it is better than any threshold.
    """
    known = train_values[~np.isnan(train_values)]
    # Frauds get bins of their own, else a few hundred of them would drown in the first or the last one.
    frauds = train_values[(train_is_fraud == 1) & ~np.isnan(train_values)]
    shares = np.linspace(0.0, 1.0, 101)[1:-1]
    edges = np.unique(np.concatenate([np.quantile(part, shares) for part in (known, frauds) if len(part)] or [[0.0]]))

    def bins(values: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="right"))

    count = len(edges) + 2
    frauds_in = np.bincount(bins(train_values), weights=train_is_fraud == 1, minlength=count)
    rows_in = np.bincount(bins(train_values), minlength=count)
    overall = (train_is_fraud == 1).mean()
    rate = (frauds_in + 20 * overall) / (rows_in + 20)
    return average_precision(test_is_fraud, rate[bins(test_values)])
