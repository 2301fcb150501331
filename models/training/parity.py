"""Proof that the exported model scores as the trained one: the same runtime that serves, on the whole test span."""

import lightgbm
import numpy as np
import onnx
import onnxruntime

from export import PROBABILITIES

TOLERANCE = 1e-5


class ParityError(RuntimeError):
    """The exported model does not score as the trained one."""


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """One thread, as in the service."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def onnx_probability(runtime: onnxruntime.InferenceSession, features: np.ndarray, batch: int = 4096) -> np.ndarray:
    """The probability of fraud of each row."""
    feed = runtime.get_inputs()[0].name
    parts = [
        runtime.run([PROBABILITIES], {feed: np.ascontiguousarray(features[start : start + batch])})[0][:, 1]
        for start in range(0, len(features), batch)
    ]
    return np.concatenate(parts)


def check(booster: lightgbm.Booster, model: onnx.ModelProto, features: np.ndarray) -> float:
    """The largest difference of probabilities on these rows; refuses one above the tolerance.

    Also that a row's probability does not depend on the rows it is scored with.
    """
    runtime = session(model)
    trained = booster.predict(features)
    difference = float(np.abs(onnx_probability(runtime, features) - trained).max())
    if not difference <= TOLERANCE:
        raise ParityError(f"the exported model differs from the trained one by {difference:g} (at most {TOLERANCE:g})")
    some = features[:: max(1, len(features) // 500)]
    whole = onnx_probability(runtime, some)
    for batch in (1, 7, 64):
        if not np.array_equal(onnx_probability(runtime, some, batch), whole):
            raise ParityError(f"in batches of {batch} rows the exported model gives other probabilities")
    return difference
