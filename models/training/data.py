"""Labelled transactions to arrays: converts Parquet, calls the Rust binary for features, orders the categories.

The features come from `fraud-detection featurize`, the code that serves; nothing is computed twice. The binary reads
CSV and NDJSON, so Parquet becomes CSV first.
"""

import csv
import json
import shlex
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

CATEGORY = "category"


# Without the column `merchant` the binary takes every merchant for the same one. In service, where they differ, what is
# made of it would mean something that was never learnt. Other features are missing where their columns are, and so are
# not used.
_NEED_MERCHANT = ("merchant_", "user_first_time_at_merchant")

# What a model can be made of besides the transaction itself. Merchants' histories and labels are only worth training on
# where the service will have them: labels reach it by `POST /feedback`.
GROUPS = ("user", "merchant", "labels")


class DataError(ValueError):
    """The file cannot be trained on."""


@dataclass
class Features:
    """A file's features, in the order of time. `category` is coded by `categories`."""

    names: list[str]
    categories: list[str]
    values: np.ndarray
    is_fraud: np.ndarray
    timestamp_ms: np.ndarray


def prepare(binary: Path, given: Path | None, simulation: str, work: Path) -> tuple[Path, str]:
    """The file of transactions that the binary can read, and where it came from, in words."""
    if given is None:
        simulated = work / "transactions.csv"
        command = ["simulate", *shlex.split(simulation)]
        subprocess.run([str(binary), *command, "--fraud-kind", "--output", str(simulated)], check=True)
        return simulated, " ".join(["fraud-detection", *command])
    if not given.is_file():
        raise DataError(f"{given} is no file: DATA names labelled transactions as CSV, NDJSON or Parquet")
    if given.suffix == ".parquet":
        converted = work / "transactions.csv"
        parquet_to_csv(given, converted)
        return converted, given.name
    return given, given.name


def parquet_to_csv(parquet: Path, converted: Path) -> None:
    """The file as CSV, sorted by timestamp, with timestamps in ISO 8601."""
    table = pyarrow.parquet.read_table(parquet)
    if "timestamp" not in table.column_names:
        raise DataError(f"{parquet} has no column `timestamp`")
    table = table.take(pc.sort_indices(table, [("timestamp", "ascending")]))
    kind = table.schema.field("timestamp").type
    if pa.types.is_timestamp(kind):
        # Milliseconds, and `Z` where the column names a zone: Parquet keeps such instants in UTC.
        column = table["timestamp"].cast(pa.timestamp("ms", kind.tz and "UTC"), safe=False)
        text = pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ" if kind.tz else "%Y-%m-%dT%H:%M:%S")
        table = table.set_column(table.column_names.index("timestamp"), "timestamp", text)
    pyarrow.csv.write_csv(table, converted)


def group_of(feature: str) -> str:
    """The group that a feature belongs to: one of `GROUPS`, or `transaction`."""
    if "_frauds_" in feature or "_fraud_share_" in feature:
        return "labels"
    return next((group for group in GROUPS if feature.startswith(f"{group}_")), "transaction")


def featurize(
    binary: Path, transactions: Path, folder: Path, zone: str, groups: list[str], label_delay: timedelta
) -> Features:
    """Runs `fraud-detection featurize` and loads what it wrote of the transaction and of these groups."""
    delay = f"{label_delay // timedelta(milliseconds=1)}ms"
    command = [binary, "featurize", transactions, "--output", folder, "--zone", zone, "--label-delay", delay]
    subprocess.run([str(part) for part in command], check=True)
    schema = json.loads((folder / "schema.json").read_text())
    wanted = [index for index, name in enumerate(schema["features"]) if group_of(name) in ("transaction", *groups)]
    names = [schema["features"][index] for index in wanted]
    values = np.load(folder / "features.npy")[:, wanted]
    columns = columns_of(transactions)
    meaningless = [name for name in names if name.startswith(_NEED_MERCHANT) and "merchant" not in columns]
    if meaningless:
        print(f"the file lacks what {', '.join(meaningless)} would be made of: trained without", flush=True)
        values = np.delete(values, [names.index(name) for name in meaningless], axis=1)
        names = [name for name in names if name not in meaningless]
    return Features(
        names=names,
        categories=schema["categories"],
        values=values,
        is_fraud=np.load(folder / "is_fraud.npy"),
        timestamp_ms=np.load(folder / "timestamp_ms.npy"),
    )


def order_categories(data: Features, train: slice) -> None:
    """Recodes the categories so that a higher code had a higher share of frauds in the train span.

    Trees split such a number well. Shares are smoothed towards the overall one: a rare category stays in the middle.
    """
    column = data.names.index(CATEGORY)
    codes, is_fraud = data.values[train, column], data.is_fraud[train]
    count = len(data.categories)
    known = ~np.isnan(codes) & (codes < count)
    rows = np.bincount(codes[known].astype(int), minlength=count)
    frauds = np.bincount(codes[known].astype(int), weights=is_fraud[known] == 1, minlength=count)
    share = (frauds + 100 * (is_fraud == 1).mean()) / (rows + 100)
    order = np.lexsort((data.categories, share))
    # The code after the last, of all other categories, stays what it is.
    new_code = np.empty(count + 1, dtype=np.float32)
    new_code[order] = np.arange(count)
    new_code[count] = count
    everywhere = data.values[:, column]
    known = ~np.isnan(everywhere)
    everywhere[known] = new_code[everywhere[known].astype(int)]
    data.categories = [data.categories[index] for index in order]


def columns_of(transactions: Path) -> list[str]:
    """The fields that a CSV file's header or an NDJSON file's first line names."""
    with open(transactions, encoding="utf-8-sig", newline="") as file:
        if transactions.suffix == ".csv":
            return next(csv.reader(file), [])
        first = json.loads(file.readline() or "{}")
        return list(first.get("transaction", first))


def column_of(transactions: Path, name: str) -> np.ndarray | None:
    """One text column of a CSV file, if it has it."""
    if transactions.suffix != ".csv" or name not in columns_of(transactions):
        return None
    options = pyarrow.csv.ConvertOptions(include_columns=[name], column_types={name: pa.string()})
    return pyarrow.csv.read_csv(transactions, convert_options=options)[name].to_numpy(zero_copy_only=False)
