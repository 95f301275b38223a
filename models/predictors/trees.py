"""CatBoost's trees, compiled: the same sums, without what it costs to hand CatBoost a few rows.

CatBoost's trees are oblivious: one split a level. What they are comes from the
library's own JSON export, and the same additions in the same order give the
same bits. For one patient's candidates most of the time would go into the
library's preparations, for many rows its own threads are worth them.
"""

import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple, Self

import numba
import numpy as np
from catboost import CatBoost

from posology.errors import CannotDo

ROWS_AT_ONCE = 256  # a block's columns stay in the processor's cache


class Trees(NamedTuple):
    """One model's trees.

    Attributes:
        feature: (n_splits,) column each split looks at.
        border: (n_splits,) above it the bit of its level is set.
        first_split: (n_trees + 1,) where the splits of each tree begin.
        first_leaf: (n_trees,) where the leaves of each tree begin.
        leaves: (n_outputs, n_leaves_in_all)
        bias: (n_outputs,)
    """

    feature: np.ndarray
    border: np.ndarray
    first_split: np.ndarray
    first_leaf: np.ndarray
    leaves: np.ndarray
    bias: np.ndarray

    @classmethod
    def of(cls, model: CatBoost) -> Self:
        """The trees of a model of numbers.

        Raises:
            CannotDo: it looks at categories or text, scales its sums, or takes what is missing for large.
        """
        about = _exported(model)
        scale, bias = about["scale_and_bias"]
        columns = {each["nan_value_treatment"] for each in about["features_info"].get("float_features", ())}
        splits = [tree["splits"] or () for tree in about["oblivious_trees"]]  # a tree may be one leaf
        kinds = {split["split_type"] for tree in splits for split in tree}
        if scale != 1 or "AsTrue" in columns or not kinds <= {"FloatFeature"}:
            raise CannotDo("expected a CatBoost model of numbers alone, its sums as they are and missing values small")
        leaves = [
            np.reshape(tree["leaf_values"], (2 ** len(of_tree), len(bias)))
            for tree, of_tree in zip(about["oblivious_trees"], splits, strict=True)
        ]
        return cls(
            np.array([split["float_feature_index"] for tree in splits for split in tree], dtype=np.int64),
            np.array([split["border"] for tree in splits for split in tree], dtype=np.float32),
            np.cumsum([0, *map(len, splits)]),
            np.cumsum([0, *map(len, leaves)])[:-1],
            np.concatenate(leaves).T.copy() if leaves else np.zeros((len(bias), 0)),
            np.array(bias, dtype=float),
        )

    def sums(self, features: np.ndarray) -> np.ndarray:
        """(n, n_outputs) what ``CatBoost.predict`` gives as raw values, bit for bit."""
        return self.sums_of(columns_of(features))

    def sums_of(self, columns: np.ndarray) -> np.ndarray:
        """As ``sums``, of ``columns_of`` the features."""
        sums = np.zeros((self.bias.size, columns.shape[1]))
        _add_trees(columns, *self[:-1], sums)
        return sums.T + self.bias


class NamedTrees:
    """One model's trees over rows of any features, its own among them.

    Args:
        names: of the model's features.
    """

    def __init__(self, model: CatBoost, names: tuple[str, ...]) -> None:
        self._trees, self._names = Trees.of(model), names
        self._among: dict[tuple[str, ...], Trees] = {}

    def sums(self, features: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        """(n, n_outputs) as ``Trees.sums``, of (n, n_features) of these names."""
        if names not in self._among:
            place = np.array([names.index(name) for name in self._names], dtype=np.int64)
            self._among[names] = self._trees._replace(feature=place[self._trees.feature])
        return self._among[names].sums(features)


def columns_of(features: np.ndarray) -> np.ndarray:
    """(n_features, n) of (n, n_features), in the precision of CatBoost."""
    return np.ascontiguousarray(features.T, dtype=np.float32)


def _exported(model: CatBoost) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.json")
        model.save_model(str(file), format="json")
        about: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return about


@numba.njit(cache=True, nogil=True)
def _add_trees(
    columns: np.ndarray,  # (n_features, n)
    feature: np.ndarray,
    border: np.ndarray,
    first_split: np.ndarray,
    first_leaf: np.ndarray,
    leaves: np.ndarray,
    sums: np.ndarray,  # (n_outputs, n)
) -> None:
    leaf, n = np.empty(ROWS_AT_ONCE, np.int32), sums.shape[1]
    for begin in range(0, n, ROWS_AT_ONCE):
        rows = min(n - begin, ROWS_AT_ONCE)
        is_same = _same(columns[:, begin : begin + rows])
        for tree in range(first_leaf.size):
            shared, differ = first_leaf[tree], False
            for split in range(first_split[tree], first_split[tree + 1]):
                column, above = columns[feature[split], begin : begin + rows], border[split]
                bit = np.int32(1 << (split - first_split[tree]))
                if is_same[feature[split]]:
                    shared += bit if column[0] > above else 0
                elif differ:
                    for row in range(rows):
                        leaf[row] |= bit if column[row] > above else np.int32(0)
                else:
                    differ = True
                    for row in range(rows):
                        leaf[row] = bit if column[row] > above else np.int32(0)
            for output in range(sums.shape[0]):
                added, told = sums[output, begin : begin + rows], leaves[output, shared:]
                if differ:
                    for row in range(rows):
                        added[row] += told[leaf[row]]
                else:
                    added += told[0]


@numba.njit(cache=True, nogil=True)
def _same(columns: np.ndarray) -> np.ndarray:
    """(n_features,) whether a column's rows are all alike: one look at a split on it tells of them all."""
    is_same = np.ones(columns.shape[0], np.bool_)
    for which in range(columns.shape[0]):
        first = columns[which, 0]
        for value in columns[which]:
            is_same[which] &= value == first or (np.isnan(value) and np.isnan(first))
    return is_same
