"""Training: gradient-boosted trees on every transaction twice, once with and once without its user's history.

The service must score when a transaction names no user and when the history store is down. A model that never saw a
missing history scores such rows worse than one that never had any; one that saw each row both ways loses nothing with
history and is as good as can be without.
"""

from dataclasses import dataclass

import lightgbm
import numpy as np

# Features whose name begins so come from history, and are missing together when its store is down.
HISTORY_PREFIXES = ("user_", "merchant_")
# Half of the training rows: each has a copy without history.
HIDDEN_HISTORY_SHARE = 0.5
# Some rows also lose what a terminal may not send, so that each such feature is missing somewhere in training.
NO_CATEGORY_SHARE = 0.03
NO_PLACE_SHARE = 0.03

_OF_THE_CATEGORY = ("category", "user_category_")
_OF_THE_PLACE = ("user_distance_", "user_speed_")


@dataclass(frozen=True)
class Settings:
    """What may be chosen of the learner."""

    trees: int
    leaves: int
    learning_rate: float
    threads: int
    seed: int

    def parameters(self) -> dict:
        """LightGBM's parameters, as the manifest holds them. No weights: probabilities keep their meaning."""
        return {
            "objective": "binary",
            "num_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": 40,
            "feature_fraction": 0.7,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "lambda_l2": 5.0,
            "max_bin": 255,
            "metric": "average_precision",
            "deterministic": True,
            "force_row_wise": True,
            "seed": self.seed,
            "num_threads": self.threads,
            "verbosity": -1,
        }


def hide_history(features: np.ndarray, names: list[str]) -> np.ndarray:
    """A copy in which every feature of the user's and the merchant's history is missing, as when the store is down."""
    hidden = features.copy()
    hidden[:, [name.startswith(HISTORY_PREFIXES) for name in names]] = np.nan
    return hidden


def hide_some_details(features: np.ndarray, names: list[str], random: np.random.Generator) -> np.ndarray:
    """A copy in which some rows have no category and some no place, with all that is made of either."""
    partial = features.copy()
    for prefixes, share in [(_OF_THE_CATEGORY, NO_CATEGORY_SHARE), (_OF_THE_PLACE, NO_PLACE_SHARE)]:
        columns = [index for index, name in enumerate(names) if name.startswith(prefixes)]
        rows = np.flatnonzero(random.random(len(partial)) < share)
        partial[np.ix_(rows, columns)] = np.nan
    return partial


def train(
    features: np.ndarray,
    is_fraud: np.ndarray,
    validation_features: np.ndarray,
    validation_is_fraud: np.ndarray,
    names: list[str],
    settings: Settings,
) -> lightgbm.Booster:
    """Trees up to the number set, or fewer once the validation span has not gained for a while."""
    random = np.random.default_rng(settings.seed)

    def both_ways(values: np.ndarray) -> list[np.ndarray]:
        partial = hide_some_details(values, names, random)
        return [partial, hide_history(partial, names)]

    data = lightgbm.Dataset(both_ways(features), np.tile(is_fraud, 2), feature_name=names, free_raw_data=True)
    validation = data.create_valid(both_ways(validation_features), np.tile(validation_is_fraud, 2))
    return lightgbm.train(
        settings.parameters(),
        data,
        num_boost_round=settings.trees,
        valid_sets=[validation],
        valid_names=["validation"],
        callbacks=[lightgbm.early_stopping(50, verbose=False), _report(settings.trees)],
    )


def _report(trees: int):
    """A plain line at every tenth of the trees."""

    def callback(environment) -> None:
        done = environment.iteration + 1
        if done % max(1, trees // 10) == 0:
            _, _, value, _ = environment.evaluation_result_list[0]
            print(f"training: {done} of at most {trees} trees, validation average precision {value:.4f}", flush=True)

    return callback
