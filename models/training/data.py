"""Labelled transactions to arrays: converts Parquet, calls the Rust binary for features, orders the categories.

The features come from `fraud-detection featurize`, the code that serves; nothing is computed twice. The binary reads CSV
and NDJSON, so Parquet becomes CSV first.
"""

import json
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

CATEGORY = "category"


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
    if given.suffix == ".parquet":
        converted = work / "transactions.csv"
        parquet_to_csv(given, converted)
        return converted, given.name
    return given, given.name


def parquet_to_csv(parquet: Path, csv: Path) -> None:
    """The file as CSV, sorted by timestamp, with timestamps in ISO 8601."""
    table = pyarrow.parquet.read_table(parquet)
    if "timestamp" not in table.column_names:
        raise ValueError(f"{parquet} has no column `timestamp`")
    table = table.take(pc.sort_indices(table, [("timestamp", "ascending")]))
    kind = table.schema.field("timestamp").type
    if pa.types.is_timestamp(kind):
        # Milliseconds, and `Z` where the column names a zone: Parquet keeps such instants in UTC.
        column = table["timestamp"].cast(pa.timestamp("ms", kind.tz and "UTC"), safe=False)
        text = pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ" if kind.tz else "%Y-%m-%dT%H:%M:%S")
        table = table.set_column(table.column_names.index("timestamp"), "timestamp", text)
    pyarrow.csv.write_csv(table, csv)


def featurize(binary: Path, transactions: Path, folder: Path, zone: str) -> Features:
    """Runs `fraud-detection featurize` and loads what it wrote."""
    command = [binary, "featurize", transactions, "--output", folder, "--zone", zone]
    subprocess.run([str(part) for part in command], check=True)
    schema = json.loads((folder / "schema.json").read_text())
    return Features(
        names=schema["features"],
        categories=schema["categories"],
        values=np.load(folder / "features.npy"),
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


def column_of(transactions: Path, name: str) -> np.ndarray | None:
    """One text column of a CSV file, if it has it."""
    with open(transactions, encoding="utf-8") as file:
        header = file.readline().strip().split(",")
    if transactions.suffix != ".csv" or name not in header:
        return None
    options = pyarrow.csv.ConvertOptions(include_columns=[name], column_types={name: pa.string()})
    return pyarrow.csv.read_csv(transactions, convert_options=options)[name].to_numpy(zero_copy_only=False)
