"""Tests of splits.py."""

from datetime import timedelta

import numpy as np
import pytest

import splits

DAY = 86_400_000
YEAR = np.arange(0, 365 * DAY, DAY // 4)


def test_default_spans_follow_each_other_with_the_label_delay_before_the_test():
    spans = splits.cut(YEAR)
    starts = [spans.train_from, spans.validation_from, spans.train_to, spans.test_from, spans.test_to]
    assert starts == sorted(starts)
    assert spans.test_from - spans.train_to == 7 * DAY
    assert spans.test_to == YEAR[-1] + 1
    parts = [spans.train(YEAR), spans.validation(YEAR), spans.test(YEAR)]
    assert all(part.stop > part.start for part in parts)
    assert parts[0].stop == parts[1].start and parts[1].stop < parts[2].start


def test_spans_are_cut_where_they_are_asked_for():
    spans = splits.cut(
        YEAR, train_from=31 * DAY, validation_from=200 * DAY, test_from=300 * DAY, label_delay=timedelta(days=10)
    )
    assert (spans.train_from, spans.validation_from, spans.train_to) == (31 * DAY, 200 * DAY, 290 * DAY)
    train, test = YEAR[spans.train(YEAR)], YEAR[spans.test(YEAR)]
    assert (train[0], train[-1] < 200 * DAY, test[0]) == (31 * DAY, True, 300 * DAY)


@pytest.mark.parametrize(
    "asked", [{"train_from": 360 * DAY}, {"test_from": 400 * DAY}, {"validation_from": 0}, {"train_from": -DAY}]
)
def test_spans_that_do_not_fit_are_refused(asked):
    with pytest.raises(splits.SplitError, match="do not follow"):
        splits.cut(YEAR, **asked)


def test_every_span_needs_labels_of_both_kinds():
    spans = splits.cut(YEAR)
    labels = np.zeros(len(YEAR), np.int8)
    labels[::50] = 1
    splits.check_labels(labels, YEAR, spans)
    unlabelled = labels.copy()
    unlabelled[spans.test(YEAR)][3] = -1
    with pytest.raises(splits.SplitError, match="1 transactions of the test span have no label"):
        splits.check_labels(unlabelled, YEAR, spans)
    genuine = labels.copy()
    genuine[spans.validation(YEAR)] = 0
    with pytest.raises(splits.SplitError, match="validation span holds 0 frauds"):
        splits.check_labels(genuine, YEAR, spans)


def test_instants_are_utc_unless_they_say_otherwise():
    assert splits.instant_ms("2020-04-08") == 1_586_304_000_000
    assert splits.instant_ms("2020-04-08T02:00:00+02:00") == 1_586_304_000_000
    assert splits.iso(1_586_304_000_000) == "2020-04-08T00:00:00Z"
