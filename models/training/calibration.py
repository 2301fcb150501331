"""From the model's probability to the risk score, so that the scale means the same for every model.

Risk score 50 stands at the probability that the review share of the genuine validation transactions reach (1 % unless
asked otherwise), 80 at the decline share (0.1 %). Between them, and below, the shares fall evenly on a logarithmic
scale. The service draws straight lines between the points; both coordinates must rise strictly.
"""

import math

import numpy as np

# A rate of false alarms measured on fewer genuine transactions than this above the threshold is chance.
FEWEST_ALARMS = 10


class CalibrationError(ValueError):
    """The validation span cannot bear the rates asked for."""


def threshold(genuine: np.ndarray, rate: float) -> float:
    """The probability that at most this share of the genuine transactions reach: halfway to the next one below.

    `genuine` holds the probabilities of genuine transactions in falling order. Where many share one probability, the
    threshold lies above all of them.
    """
    allowed = int(rate * len(genuine))
    first_below = genuine[allowed] if allowed < len(genuine) else 0.0
    above = genuine[genuine > first_below]
    next_above = above[-1] if len(above) else 1.0
    return float(first_below + next_above) / 2


def rate_at(risk_score: int, review_rate: float, decline_rate: float) -> float:
    """The share of genuine transactions meant to reach a risk score: 1 at 0, the given rates at 50 and 80."""
    if risk_score <= 50:
        return review_rate ** (risk_score / 50)
    # Goes on beyond 80 as it came.
    return review_rate * (decline_rate / review_rate) ** ((risk_score - 50) / 30)


def calibrate(
    probability: np.ndarray, is_fraud: np.ndarray, review_rate: float, decline_rate: float
) -> list[dict[str, float]]:
    """The map for one kind of history: a point at each tenth risk score, with the rate it stands for in validation."""
    if not 0 < decline_rate < review_rate < 1:
        raise CalibrationError("the rates must satisfy 0 < decline rate < review rate < 1")
    genuine = np.sort(probability[is_fraud == 0].astype(np.float64))[::-1]
    needed = math.ceil(FEWEST_ALARMS / decline_rate)
    if len(genuine) < needed:
        raise CalibrationError(
            f"the validation span holds {len(genuine)} genuine transactions; a false-positive rate of {decline_rate:g} "
            f"can be measured from {needed} on: lengthen the validation span (--validation-from) or raise "
            "--decline-rate"
        )
    review, decline = threshold(genuine, review_rate), threshold(genuine, decline_rate)
    if not 0 < review < decline < 1:
        raise CalibrationError(
            f"the model gives the same probability to too many genuine transactions: {review:g} at a rate of "
            f"{review_rate:g} and {decline:g} at {decline_rate:g}; they must differ"
        )
    points = {0: 0.0, 50: review, 80: decline, 100: 1.0}
    rate = rate_at(90, review_rate, decline_rate)
    points[90] = threshold(genuine, rate) if rate * len(genuine) >= FEWEST_ALARMS else 0.0
    if not decline < points[90] < 1:
        points[90] = _middle_in_odds(decline)
    for low, high in [(0, 50), (50, 80)]:
        for risk_score in range(low + 10, high, 10):
            points[risk_score] = threshold(genuine, rate_at(risk_score, review_rate, decline_rate))
        _spread(points, low, high)
    return [
        {
            "probability": points[risk_score],
            "risk_score": float(risk_score),
            "false_positive_rate": float((genuine >= points[risk_score]).mean()),
        }
        for risk_score in sorted(points)
    ]


def _middle_in_odds(probability: float) -> float:
    """Halfway, in log-odds, from this probability to one in a thousand short of certainty; above it in any case."""
    log_odds = math.log(probability / (1 - probability))
    middle = (log_odds + math.log(0.999 / 0.001)) / 2
    return 1 / (1 + math.exp(-middle)) if middle > log_odds else (1 + probability) / 2


def _spread(points: dict[int, float], low: int, high: int) -> None:
    """Makes the points between two fixed ones rise strictly: where some coincide, they share the room evenly."""
    inner = range(low + 10, high, 10)
    values = [points[risk_score] for risk_score in range(low, high + 10, 10)]
    if all(a < b for a, b in zip(values, values[1:])):
        return
    for index, risk_score in enumerate(inner, start=1):
        points[risk_score] = points[low] + (points[high] - points[low]) * index / (len(inner) + 1)
