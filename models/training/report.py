"""The report of a model version: report.md with its figures and plots, all on the held-out test span.

Every figure stands twice, with each user's history and without any: the service meets both.
"""

from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np

import learn
import data
import manifest
import metrics
import splits
from data import Features

PLOTS = "report"
WITH, WITHOUT, FRAUD, GENUINE = "#1f5f99", "#d07a1f", "#b03030", "#6a7f92"


@dataclass(frozen=True)
class Scored:
    """The test span's labels and the model's probabilities."""

    is_fraud: np.ndarray
    with_history: np.ndarray
    without_history: np.ndarray

    def both(self) -> list[tuple[str, str, np.ndarray, str]]:
        """Name, calibration map, probabilities and colour of each kind of history."""
        return [
            ("with history", "full", self.with_history, WITH),
            ("without history", "missing", self.without_history, WITHOUT),
        ]


def write(folder: Path, document: dict, scored: Scored, booster, data: Features, spans: splits.Spans, kinds) -> None:
    """Writes report.md and its plots into the version's folder. `kinds` names each row's kind of fraud, if known."""
    plots = folder / PLOTS
    plots.mkdir(exist_ok=True)
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True})
    plt.rcParams["axes.axisbelow"] = True
    plt.rcParams.update({"grid.alpha": 0.25, "figure.constrained_layout.use": True})
    test = spans.test(data.timestamp_ms)
    plot_precision_recall(plots / "precision-recall.png", scored)
    plot_score_distribution(plots / "score-distribution.png", document, scored)
    plot_reliability(plots / "reliability.png", scored)
    plot_importance(plots / "feature-importance.png", booster, data.values[test], scored.is_fraud, data.names)
    sections = [
        heading(document, data, spans),
        held_out(document),
        decisions(document, scored),
        calibration(document),
        kinds_of_fraud(document, scored, None if kinds is None else kinds[test]),
        single_features(document, data, spans),
        PLOT_SECTION,
    ]
    (folder / "report.md").write_text("\n".join(section for section in sections if section), encoding="utf-8")


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def percent(share: float) -> str:
    return f"{100 * share:.2f} %" if share < 0.1 else f"{100 * share:.1f} %"


def heading(document: dict, data: Features, spans: splits.Spans) -> str:
    training = document["training"]
    parts = [("train", spans.train), ("validation", spans.validation), ("test", spans.test)]
    ends = {"train": spans.validation_from, "validation": spans.train_to, "test": spans.test_to}
    starts = {"train": spans.train_from, "validation": spans.validation_from, "test": spans.test_from}
    body = []
    for name, span in parts:
        labels = data.is_fraud[span(data.timestamp_ms)]
        frauds = int((labels == 1).sum())
        begin, end = (splits.iso(instant)[:10] for instant in (starts[name], ends[name]))
        body.append([name, begin, end, f"{len(labels):,}", f"{frauds:,}", percent(frauds / len(labels))])
    text = f"# Fraud model {document['version']}\n\nTrained on: `{training['data']}`.\n\n"
    if training["data"].startswith("fraud-detection simulate"):
        text += (
            "**The data are simulated.** The figures show that the machinery works: features, training, calibration, "
            "serving. They say nothing of how much fraud this model would find at a bank; train on the bank's own "
            "transactions for that (`docs/models.md`).\n\n"
        )
    text += "History runs through the whole file; what lies before the train span only warms it up, and what lies "
    text += "between validation and test is not used, because its labels would not be known yet.\n\n"
    text += table(["span", "from", "to", "transactions", "frauds", "share"], body)
    parameters = training["parameters"]
    return text + (
        f"\nLightGBM, {parameters['trees']} trees of at most {parameters['num_leaves']} leaves, learning rate "
        f"{parameters['learning_rate']}, no weights; every training row twice, once without its user's history.\n"
    )


def held_out(document: dict) -> str:
    figures = document["metrics"]
    rows = []
    for title, key in [
        ("average precision", "average_precision"),
        ("area under the ROC curve", "auc"),
        ("recall at 0.5 % alerts", "recall_at_half_percent_alerts"),
        ("recall at 1 % alerts", "recall_at_one_percent_alerts"),
    ]:
        digits = 4 if key == "auc" else 3
        rows.append([title, *(f"{figures[name][key]:.{digits}f}" for name in ("with_history", "without_history"))])
    return "## Ranking on the test span\n\n" + table(["", "with history", "without history"], rows)


def decisions(document: dict, scored: Scored) -> str:
    rows = []
    for name, which, probability, _ in scored.both():
        risk = manifest.risk_score(document["calibration"][which], probability)
        for title, threshold in [("review or decline (50)", 50), ("decline (80)", 80)]:
            alert, fraud = risk >= threshold, scored.is_fraud == 1
            rows.append(
                [
                    f"{title}, {name}",
                    percent(alert.mean()),
                    percent((alert & ~fraud).sum() / (~fraud).sum()),
                    percent((alert & fraud).sum() / fraud.sum()),
                    percent((alert & fraud).sum() / max(1, alert.sum())),
                ]
            )
    text = "## Decisions on the test span\n\n"
    rates = " and ".join(percent(document[f"{name}_false_positive_rate"]) for name in ("review", "decline"))
    text += f"The thresholds were set in validation, at false-positive rates of {rates}.\n\n"
    return text + table(["risk score", "alerts", "false-positive rate", "recall", "precision"], rows)


def calibration(document: dict) -> str:
    maps = document["calibration"]

    def cells(point: dict) -> list[str]:
        return [f"{point['probability']:.5f}", f"{100 * point['false_positive_rate']:.3f} %"]

    rows = [
        [f"{full['risk_score']:.0f}", *cells(full), *cells(missing)]
        for full, missing in zip(maps["full"], maps["missing"])
    ]
    head = ["risk score", "probability", "false-positive rate", "probability, no history", "false-positive rate"]
    return "## What a risk score stands for\n\nRates are of the validation span.\n\n" + table(head, rows)


def kinds_of_fraud(document: dict, scored: Scored, kinds: np.ndarray | None) -> str:
    if kinds is None:
        return ""
    rows = []
    for kind in sorted(set(kinds[scored.is_fraud == 1])):
        of_kind = kinds == kind
        row = [str(kind).replace("_", " "), f"{int(of_kind.sum()):,}"]
        for _, which, probability, _ in scored.both():
            risk = manifest.risk_score(document["calibration"][which], probability[of_kind])
            row += [percent((risk >= 50).mean()), percent((risk >= 80).mean())]
        rows.append(row)
    head = ["kind", "frauds", "reviewed or declined", "declined"]
    head += ["reviewed or declined, no history", "declined, no history"]
    return "## Recall by kind of fraud\n\n" + table(head, rows)


def single_features(document: dict, data: Features, spans: splits.Spans) -> str:
    train, test = spans.train(data.timestamp_ms), spans.test(data.timestamp_ms)
    precision = {
        name: metrics.best_use_of_one_feature(
            data.values[train, column], data.is_fraud[train], data.values[test, column], data.is_fraud[test]
        )
        for column, name in enumerate(data.names)
    }
    best = sorted(precision.items(), key=lambda item: -item[1])[:12]
    whole = document["metrics"]["with_history"]["average_precision"]
    rows = [["**all features together**", f"**{whole:.3f}**"], *([name, f"{value:.3f}"] for name, value in best)]
    return (
        "## What one feature alone can do\n\nThe average precision of the best rule on one feature (the share of "
        "frauds in each of its bins in training, free to rise and fall), the twelve best:\n\n"
    ) + table(["feature", "average precision"], rows)


PLOT_SECTION = f"""## Plots

![Precision and recall]({PLOTS}/precision-recall.png)

![Distribution of risk scores]({PLOTS}/score-distribution.png)

![Reliability of the probabilities]({PLOTS}/reliability.png)

Importance is measured on a sample of the test span, all frauds and at most 20,000 genuine transactions: how much
average precision is lost when the values of a group of features change places among the rows.

![Feature importance]({PLOTS}/feature-importance.png)
"""


def save(figure, path: Path) -> None:
    figure.savefig(path, dpi=100)
    plt.close(figure)


def plot_precision_recall(path: Path, scored: Scored) -> None:
    figure, axes = plt.subplots(figsize=(6.4, 4.4))
    for name, _, probability, colour in scored.both():
        precision, recall = metrics.precision_recall(scored.is_fraud, probability)
        area = metrics.average_precision(scored.is_fraud, probability)
        axes.plot(recall, precision, color=colour, label=f"{name} (average precision {area:.3f})")
    base = (scored.is_fraud == 1).mean()
    axes.axhline(base, color="black", linewidth=0.8, linestyle=":", label=f"by chance ({percent(base)})")
    axes.set(xlabel="recall: share of frauds found", ylabel="precision: share of alerts that are frauds")
    axes.set(xlim=(0, 1.01), ylim=(0, 1.01), title="Precision and recall, test span")
    # Below the axes: no corner is free for every model.
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False)
    save(figure, path)


def plot_score_distribution(path: Path, document: dict, scored: Scored) -> None:
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    for axes, (name, which, probability, _) in zip(panels, scored.both()):
        risk = manifest.risk_score(document["calibration"][which], probability)
        for title, label, colour in [("genuine", 0, GENUINE), ("fraud", 1, FRAUD)]:
            part = risk[scored.is_fraud == label]
            # Each tenth score is a point of the calibration: bins between them are smooth by construction.
            counts, edges = np.histogram(part, bins=np.arange(0, 101, 10))
            axes.stairs(counts / len(part), edges, color=colour, fill=True, alpha=0.45, label=title)
        for threshold, decision in [(50, "review"), (80, "decline")]:
            axes.axvline(threshold, color="black", linewidth=0.8, linestyle="--")
            axes.text(threshold + 1, 1.02, decision, va="bottom", fontsize=8, transform=axes.get_xaxis_transform())
        axes.set(xlabel="risk score", yscale="log", ylim=(1e-5, 1.0), xlim=(0, 100))
        axes.set_title(name, pad=16)
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
    panels[0].set_ylabel("share of the genuine, share of the frauds")
    panels[0].legend(loc="upper left", bbox_to_anchor=(0.22, 1.0))
    save(figure, path)


def plot_reliability(path: Path, scored: Scored) -> None:
    figure, axes = plt.subplots(figsize=(5.2, 4.6))
    edges = np.concatenate([[0], np.geomspace(1e-4, 1, 13)])
    for name, _, probability, colour in scored.both():
        which = np.clip(np.digitize(probability, edges) - 1, 0, len(edges) - 2)
        rows = np.bincount(which, minlength=len(edges) - 1)
        frauds = np.bincount(which, weights=scored.is_fraud == 1, minlength=len(edges) - 1)
        predicted = np.bincount(which, weights=probability, minlength=len(edges) - 1)
        seen = (rows >= 20) & (frauds >= 3)
        rate, error = frauds[seen] / rows[seen], np.sqrt(frauds[seen]) / rows[seen]
        axes.errorbar(predicted[seen] / rows[seen], rate, error, color=colour, marker="o", markersize=4, label=name)
    axes.plot([1e-4, 1], [1e-4, 1], color="black", linewidth=0.8, linestyle=":", label="perfect")
    axes.set(xscale="log", yscale="log", xlim=(1e-4, 1.2), ylim=(1e-4, 1.2))
    axes.set(xlabel="mean probability the model gave", ylabel="share that were frauds", title="Reliability, test span")
    axes.legend(loc="upper left")
    save(figure, path)


def group(feature: str) -> str:
    """What a feature tells of, in words. Features of one group say nearly the same and are shuffled together."""
    if feature in ("amount", "log_amount"):
        return "amount"
    if feature in ("hour", "night", "day_of_week", "weekend"):
        return "hour and day"
    if data.group_of(feature) == "labels":
        return "labels"
    if feature.startswith("merchant_"):
        return "merchant"
    if feature.startswith("user_category_"):
        return "user in this category"
    if feature in ("user_distance_km", "user_speed_kmh"):
        return "distance and speed"
    window = feature.rpartition("_")[2]
    return f"user, last {window}" if window in manifest.WINDOWS else feature.removeprefix("user_").replace("_", " ")


def plot_importance(path: Path, booster, features: np.ndarray, is_fraud: np.ndarray, names: list[str]) -> None:
    """How much average precision is lost when a group of features is shuffled among the rows."""
    random = np.random.default_rng(1)
    genuine = np.flatnonzero(is_fraud == 0)
    sample = np.concatenate([np.flatnonzero(is_fraud == 1), random.choice(genuine, min(20_000, len(genuine)), False)])
    figure, panels = plt.subplots(1, 2, figsize=(9, 4.2))
    places = 0
    versions = [features[sample], learn.hide_history(features[sample], names)]
    for axes, values, title, colour in zip(panels, versions, ("with history", "without history"), (WITH, WITHOUT)):
        whole = metrics.average_precision(is_fraud[sample], booster.predict(values))
        columns: dict[str, list[int]] = {}
        for column, name in enumerate(names):
            if not np.isnan(values[:, column]).all():
                columns.setdefault(group(name), []).append(column)
        loss = {}
        for name, together in columns.items():
            shuffled = values.copy()
            shuffled[:, together] = random.permutation(values[:, together])
            loss[name] = whole - metrics.average_precision(is_fraud[sample], booster.predict(shuffled))
        most = sorted(loss.items(), key=lambda item: item[1])[-14:]
        axes.barh([name for name, _ in most], [value for _, value in most], color=colour)
        # As many places in both panels, filled from the top: bars of one height.
        places = max(places, len(most))
        axes.set_ylim(len(most) - places - 0.5, len(most) - 0.5)
        axes.set(title=title, xlabel="average precision lost when shuffled")
        axes.grid(axis="y", visible=False)
    save(figure, path)
