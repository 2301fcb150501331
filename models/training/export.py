"""A LightGBM model of one binary target as ONNX, deciding on float32 exactly as LightGBM decided in training.

Written out node by node, because two details decide whether serving agrees with training:

- LightGBM compares `value <= threshold` in float64; the runtime compares float32. Features are float32 in training
  too, so a threshold rounded *down* to float32 splits them the same way.
- A missing value (NaN) goes where the node learnt to send missing ones. A node of a feature that was never missing in
  training has learnt nothing: LightGBM then reads NaN as 0, and so does the exported node.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

import lightgbm
import numpy as np
import onnx
from onnx import TensorProto, helper

INPUT, LABEL, PROBABILITIES = "features", "label", "probabilities"


def float32_floor(value: float) -> float:
    """The largest float32 that is not above `value`."""
    with np.errstate(over="ignore"):
        rounded = np.float32(value)
    return float(np.nextafter(rounded, np.float32(-np.inf)) if float(rounded) > value else rounded)


@dataclass
class Columns:
    """The attributes of the tree operator: one entry a node, and one more a leaf."""

    nodes_treeids: list[int] = field(default_factory=list)
    nodes_nodeids: list[int] = field(default_factory=list)
    nodes_featureids: list[int] = field(default_factory=list)
    nodes_modes: list[str] = field(default_factory=list)
    nodes_values: list[float] = field(default_factory=list)
    nodes_truenodeids: list[int] = field(default_factory=list)
    nodes_falsenodeids: list[int] = field(default_factory=list)
    nodes_missing_value_tracks_true: list[int] = field(default_factory=list)
    class_treeids: list[int] = field(default_factory=list)
    class_nodeids: list[int] = field(default_factory=list)
    class_ids: list[int] = field(default_factory=list)
    class_weights: list[float] = field(default_factory=list)

    def add_tree(self, tree: int, root: dict[str, Any]) -> None:
        nodes = [root]
        for node in nodes:  # grows while it is walked: parents before children
            nodes.extend(node[side] for side in ("left_child", "right_child") if side in node)
        number = {id(node): position for position, node in enumerate(nodes)}
        for position, node in enumerate(nodes):
            self.nodes_treeids.append(tree)
            self.nodes_nodeids.append(position)
            if "leaf_value" in node:
                self._add_leaf(tree, position, node)
            else:
                self._add_split(node, number[id(node["left_child"])], number[id(node["right_child"])])

    def _add_leaf(self, tree: int, position: int, node: dict[str, Any]) -> None:
        self._add_decision("LEAF", 0, 0.0, 0, 0, False)
        self.class_treeids.append(tree)
        self.class_nodeids.append(position)
        self.class_ids.append(0)
        self.class_weights.append(node["leaf_value"])

    def _add_split(self, node: dict[str, Any], left: int, right: int) -> None:
        if node["decision_type"] != "<=" or node["missing_type"] not in ("NaN", "None"):
            raise ValueError(f"cannot export a split by {node['decision_type']!r}, missing {node['missing_type']!r}")
        missing_goes_left = node["default_left"] if node["missing_type"] == "NaN" else 0.0 <= node["threshold"]
        threshold = float32_floor(node["threshold"])
        self._add_decision("BRANCH_LEQ", node["split_feature"], threshold, left, right, missing_goes_left)

    def _add_decision(self, mode: str, feature: int, value: float, left: int, right: int, missing_left: bool) -> None:
        self.nodes_modes.append(mode)
        self.nodes_featureids.append(feature)
        self.nodes_values.append(value)
        self.nodes_truenodeids.append(left)
        self.nodes_falsenodeids.append(right)
        self.nodes_missing_value_tracks_true.append(int(missing_left))


def to_onnx(booster: lightgbm.Booster) -> onnx.ModelProto:
    """The model with one input `features` [N, F] and the outputs `label` [N] and `probabilities` [N, 2]."""
    model = booster.dump_model()
    if not model["objective"].startswith("binary sigmoid:1"):
        raise ValueError(f"only a binary model with a sigmoid of 1 can be exported, not {model['objective']!r}")
    columns = Columns()
    for tree, info in enumerate(model["tree_info"]):
        columns.add_tree(tree, info["tree_structure"])
    ensemble = helper.make_node(
        "TreeEnsembleClassifier",
        inputs=[INPUT],
        outputs=[LABEL, PROBABILITIES],
        domain="ai.onnx.ml",
        post_transform="LOGISTIC",
        classlabels_int64s=[0, 1],
        **asdict(columns),
    )
    graph = helper.make_graph(
        [ensemble],
        "fraud-detection",
        inputs=[helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", len(model["feature_names"])])],
        outputs=[
            helper.make_tensor_value_info(LABEL, TensorProto.INT64, ["N"]),
            helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, ["N", 2]),
        ],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    exported = helper.make_model(graph, producer_name="fraud-detection", opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(exported)
    return exported
