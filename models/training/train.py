"""Makes a model version from labelled transactions: `make train` calls this; `--help` says what can be chosen.

Transactions -> features (by the Rust binary) -> trees -> calibration -> ONNX -> parity -> manifest -> report.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import data
import export
import learn
import manifest
import metrics
import parity
import report
import splits
from calibration import CalibrationError


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a fraud model and write a version folder.")
    parser.add_argument("--binary", type=Path, required=True, help="the fraud-detection binary")
    parser.add_argument("--data", type=Path, help="labelled CSV, NDJSON or Parquet; simulated if left out")
    parser.add_argument("--simulate", default="", help="arguments of `fraud-detection simulate`, without --data")
    parser.add_argument("--output", type=Path, required=True, help="the models folder to write the version into")
    parser.add_argument("--version", default="v1.0", help="the version's name and folder")
    parser.add_argument("--work", type=Path, help="keeps intermediate files here")
    parser.add_argument("--zone", default="UTC", help="the service's time zone (IANA), for hours and local timestamps")
    for name, what in [
        ("--train-from", "end of the warm-up"),
        ("--validation-from", "start of the validation span"),
        ("--test-from", "start of the test span"),
        ("--test-to", "end of the test span"),
    ]:
        parser.add_argument(name, type=splits.instant_ms, help=f"{what} (ISO 8601, UTC unless it says otherwise)")
    parser.add_argument("--label-delay", type=float, default=7.0, help="days until a label is known")
    parser.add_argument(
        "--groups",
        nargs="*",
        default=["user"],
        choices=data.GROUPS,
        help="what the model is made of besides the transaction; labels only if the service gets them by /feedback",
    )
    parser.add_argument("--review-rate", type=float, default=0.01, help="false-positive rate at risk score 50")
    parser.add_argument("--decline-rate", type=float, default=0.001, help="false-positive rate at risk score 80")
    parser.add_argument("--trees", type=int, default=200)
    parser.add_argument("--leaves", type=int, default=31)
    parser.add_argument("--learning-rate", type=float, default=0.06)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    args = arguments()
    if args.work:
        args.work.mkdir(parents=True, exist_ok=True)
        make_version(args, args.work)
    else:
        with tempfile.TemporaryDirectory() as work:
            make_version(args, Path(work))


def make_version(args: argparse.Namespace, work: Path) -> None:
    transactions, source = data.prepare(args.binary, args.data, args.simulate, work)
    label_delay = timedelta(days=args.label_delay)
    features = data.featurize(args.binary, transactions, work / "features", args.zone, args.groups, label_delay)
    spans = splits.cut(
        features.timestamp_ms,
        args.train_from,
        args.validation_from,
        args.test_from,
        args.test_to,
        label_delay,
    )
    splits.check_labels(features.is_fraud, features.timestamp_ms, spans)
    train = spans.train(features.timestamp_ms)
    validation = spans.validation(features.timestamp_ms)
    test = spans.test(features.timestamp_ms)
    data.order_categories(features, train)

    names, values, is_fraud = features.names, features.values, features.is_fraud
    settings = learn.Settings(args.trees, args.leaves, args.learning_rate, args.threads, args.seed)
    say(f"training on {rows(train)} transactions, validating on {rows(validation)}, testing on {rows(test)}")
    booster = learn.train(
        values[train], is_fraud[train], values[validation], is_fraud[validation], names, settings
    )
    maps = manifest.calibration_maps(
        booster, values[validation], is_fraud[validation], names, args.review_rate, args.decline_rate
    )
    model = export.to_onnx(booster)
    tested = values[test]
    hidden = learn.hide_history(tested, names)
    differences = [parity.check(booster, model, part) for part in (tested, hidden)]
    say(f"parity: ONNX differs from training by at most {max(differences):.1e} on {2 * rows(test)} rows")

    scored = report.Scored(is_fraud[test], booster.predict(tested), booster.predict(hidden))
    genuine = values[train][is_fraud[train] == 0]
    document = {
        "version": args.version,
        "features": [
            {"name": name, "label": manifest.label(name), "baseline": manifest.baseline(genuine[:, column])}
            for column, name in enumerate(names)
        ],
        "categories": features.categories,
        "calibration": maps,
        "review_false_positive_rate": args.review_rate,
        "decline_false_positive_rate": args.decline_rate,
        "training": {
            "data": source,
            "rows": rows(train),
            "frauds": int(is_fraud[train].sum()),
            "from": splits.iso(spans.train_from),
            "to": splits.iso(spans.train_to),
            "validation_from": splits.iso(spans.validation_from),
            "test_from": splits.iso(spans.test_from),
            "created_at": datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "hidden_history_share": learn.HIDDEN_HISTORY_SHARE,
            "parameters": {**settings.parameters(), "trees": booster.num_trees()},
        },
        "metrics": {
            "with_history": metrics.summary(scored.is_fraud, scored.with_history),
            "without_history": metrics.summary(scored.is_fraud, scored.without_history),
        },
        "golden": {
            "tolerance": parity.TOLERANCE,
            "rows": manifest.golden_rows(booster, tested, is_fraud[test], names),
        },
    }
    folder = args.output / args.version
    manifest.write(folder, document, model.SerializeToString())
    point_to(args.output / "metadata.json", args.version)
    report.write(folder, document, scored, booster, features, spans, data.column_of(transactions, "fraud_kind"))
    say(f"wrote {folder}")
    for name, figures in document["metrics"].items():
        say(
            f"{name.replace('_', ' ')}: average precision {figures['average_precision']:.3f}, recall at 1 % alerts "
            f"{figures['recall_at_one_percent_alerts']:.3f}, AUC {figures['auc']:.4f}"
        )


def point_to(metadata: Path, version: str) -> None:
    """Makes the version current where none is. An existing pointer stays: services that watch it would follow."""
    if not metadata.exists():
        metadata.write_text(json.dumps({"current_version": version}) + "\n")
    elif json.loads(metadata.read_text()).get("current_version") != version:
        say(f"{metadata} still names another version: change it to {version} to go live")


def rows(span: slice) -> int:
    return span.stop - span.start


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    try:
        main()
    except (data.DataError, splits.SplitError, CalibrationError, parity.ParityError) as fault:
        sys.exit(f"train: {fault}")
    except subprocess.CalledProcessError as fault:
        # The binary has said what is wrong.
        sys.exit(fault.returncode)
