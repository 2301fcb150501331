"""The spans of a training file, cut by time and never by chance.

    | warm-up | train                | validation | label delay | test            |
    start     train_from             validation_from  train_to    test_from     end

Histories run through all of it. The warm-up only fills them. Validation (early stopping, calibration) is the end of
the train span. In the label delay nothing is trained on: when the model goes live, those labels are not yet known.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import numpy as np

# Shares of the file's time span, and of the train span, where no instant is asked for.
WARM_UP_SHARE = 0.08
TEST_SHARE = 0.16
VALIDATION_SHARE = 0.15


class SplitError(ValueError):
    """The spans asked for do not fit the file."""


@dataclass(frozen=True)
class Spans:
    """Instants in milliseconds since 1970; each span includes its beginning and excludes its end."""

    train_from: int
    validation_from: int
    train_to: int
    test_from: int
    test_to: int

    def rows(self, timestamp_ms: np.ndarray, begin: int, end: int) -> slice:
        """The rows of a span in a file sorted by time."""
        low, high = np.searchsorted(timestamp_ms, [begin, end], side="left")
        return slice(int(low), int(high))

    def train(self, timestamp_ms: np.ndarray) -> slice:
        return self.rows(timestamp_ms, self.train_from, self.validation_from)

    def validation(self, timestamp_ms: np.ndarray) -> slice:
        return self.rows(timestamp_ms, self.validation_from, self.train_to)

    def test(self, timestamp_ms: np.ndarray) -> slice:
        return self.rows(timestamp_ms, self.test_from, self.test_to)


def instant_ms(text: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 date or date-time, read as UTC where it names no offset."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=timezone.utc)
    return int(instant.timestamp() * 1000)


def iso(ms: int) -> str:
    """The instant as the manifest writes it."""
    return datetime.fromtimestamp(ms / 1000, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def cut(
    timestamp_ms: np.ndarray,
    train_from: int | None = None,
    validation_from: int | None = None,
    test_from: int | None = None,
    test_to: int | None = None,
    label_delay: timedelta = timedelta(days=7),
) -> Spans:
    """Spans for a file sorted by time: what is not given is a share of the time the file covers."""
    if len(timestamp_ms) == 0:
        raise SplitError("the file holds no transactions")
    start, end = int(timestamp_ms[0]), int(timestamp_ms[-1]) + 1
    length = end - start
    train_from = start + int(WARM_UP_SHARE * length) if train_from is None else train_from
    test_to = end if test_to is None else test_to
    test_from = end - int(TEST_SHARE * length) if test_from is None else test_from
    train_to = test_from - int(label_delay.total_seconds() * 1000)
    if validation_from is None:
        validation_from = train_to - int(VALIDATION_SHARE * (train_to - train_from))
    spans = Spans(train_from, validation_from, train_to, test_from, test_to)
    if not start <= train_from < validation_from < train_to <= test_from < test_to:
        raise SplitError(
            f"the spans do not follow each other: the file begins {iso(start)} and ends {iso(end)}, training begins "
            f"{iso(train_from)}, validation {iso(validation_from)}, training ends {iso(train_to)} (the label delay "
            f"before the test), the test runs from {iso(test_from)} to {iso(test_to)}"
        )
    return spans


def check_labels(is_fraud: np.ndarray, timestamp_ms: np.ndarray, spans: Spans) -> None:
    """Each span must hold both kinds of label, and nothing may be without one."""
    for name, rows in [
        ("training", spans.train(timestamp_ms)),
        ("validation", spans.validation(timestamp_ms)),
        ("test", spans.test(timestamp_ms)),
    ]:
        labels = is_fraud[rows]
        if (labels < 0).any():
            raise SplitError(f"{int((labels < 0).sum())} transactions of the {name} span have no label (is_fraud)")
        if not (labels == 1).any() or not (labels == 0).any():
            raise SplitError(
                f"the {name} span holds {int((labels == 1).sum())} frauds among {len(labels)} transactions: it needs "
                "both kinds; choose other spans or a longer file"
            )
