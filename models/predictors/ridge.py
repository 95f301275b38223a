"""Ridge regression (Hoerl, Kennard 1970): the linear yardstick, and the predictor for little data."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numba
import numpy as np
from sklearn.linear_model import Ridge as LinearRidge
from sklearn.model_selection import GroupKFold, cross_val_predict

from models.features import PLACE
from models.predictors.predictor import Mean
from models.predictors.rows import Rows
from posology.files import write_whole

PENALTIES = np.logspace(-1, 5, 7)
FOLDS = 5


class _Weights(NamedTuple):
    features: np.ndarray
    flags: np.ndarray
    contents: np.ndarray


@dataclass(frozen=True)
class Ridge:
    """Standardised features, a flag for each that can be missing, one column a content.

    Attributes:
        centre, scale: (n_features,) of the fitting rows; what is missing takes the centre.
        flagged: features that were missing somewhere in the fitting rows.
        n_contents: contents that have a column of their own.
        weights: (n_features + n_flagged + n_contents,).
        tails: the two quantiles of the residuals, the raw interval.
    """

    kind: ClassVar[str] = "ridge"
    names: tuple[str, ...]
    centre: np.ndarray
    scale: np.ndarray
    flagged: np.ndarray
    n_contents: int
    weights: np.ndarray
    intercept: float
    tails: tuple[float, float]

    @classmethod
    def fit(cls, rows: Rows, target: np.ndarray, options: Mapping[str, Any]) -> Self:
        """Penalty by the error on patients left out, see ``best_penalty``."""
        is_missing = np.isnan(rows.features)
        counts = np.maximum((~is_missing).sum(axis=0), 1)
        centre = np.where(is_missing, 0, rows.features).sum(axis=0) / counts
        scale = np.sqrt(np.nansum((rows.features - centre) ** 2, axis=0) / counts)
        shape = cls(
            rows.names,
            centre,
            np.where(scale > 0, scale, 1.0),
            np.flatnonzero(is_missing.any(axis=0)),
            int(rows.column(PLACE).max()) + 1,
            np.zeros(0),
            0.0,
            (0.0, 0.0),
        )
        design = shape.design(rows.features)
        ridge = LinearRidge(alpha=best_penalty(design, target, rows)).fit(design, target, sample_weight=rows.weight)
        residual = target - ridge.predict(design)
        tail = (1 - options["coverage"]) / 2
        low, high = np.quantile(residual, [tail, 1 - tail])
        return cls(
            shape.names,
            shape.centre,
            shape.scale,
            shape.flagged,
            shape.n_contents,
            ridge.coef_,
            float(ridge.intercept_),
            (float(low), float(high)),
        )

    @classmethod
    def fit_mean(cls, rows: Rows, target: np.ndarray, options: Mapping[str, Any]) -> Mean:
        """The mean of what ``fit`` gives."""
        model = cls.fit(rows, target, options)
        return lambda features: model.predict(features)[:, 0]

    def design(self, features: np.ndarray) -> np.ndarray:
        """(n, n_features + n_flagged + n_contents) what the weights multiply."""
        is_missing, place = np.isnan(features), self._place
        standard = np.where(is_missing, 0.0, (features - self.centre) / self.scale)
        standard[:, place] = 0.0
        flags, own = np.take(is_missing, self.flagged, axis=1), features[:, place, None] == np.arange(self.n_contents)
        return np.column_stack([standard, flags, own]).astype(float)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(n, 3) mean, low and high.

        As ``design`` times the weights, but no column is made for each content,
        and no matrix product, whose last bit depends on the other rows.
        """
        terms, of_missing, own = _terms(features, self.centre, self.scale, self._split, self.flagged, self._place)
        mean = terms.sum(axis=1) + of_missing.sum(axis=1)
        mean += own + self.intercept
        return np.column_stack([mean, mean + self.tails[0], mean + self.tails[1]])

    @cached_property
    def _place(self) -> int:
        return self.names.index(PLACE)

    @cached_property
    def _split(self) -> _Weights:
        of_features, of_flags, of_contents = np.split(self.weights, np.cumsum([len(self.names), self.flagged.size]))
        return _Weights(of_features.copy(), of_flags.copy(), of_contents.copy())

    def importance(self, rows: Rows) -> np.ndarray:
        """(n_features,) spread of each feature's term, as a share."""
        spread = np.abs(self.weights[: len(self.names)]) * self.design(rows.features)[:, : len(self.names)].std(axis=0)
        return spread / max(spread.sum(), 1e-12)

    def save(self, folder: Path) -> None:
        """``ridge.json``."""
        content = {
            "names": self.names,
            "centre": self.centre.tolist(),
            "scale": self.scale.tolist(),
            "flagged": self.flagged.tolist(),
            "n_contents": self.n_contents,
            "weights": self.weights.tolist(),
            "intercept": self.intercept,
            "tails": self.tails,
        }
        write_whole(folder / "ridge.json", json.dumps(content))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        content = json.loads((folder / "ridge.json").read_text())
        arrays = {name: np.array(content[name]) for name in ("centre", "scale", "weights")}
        return cls(
            names=tuple(content["names"]),
            flagged=np.array(content["flagged"], dtype=int),
            n_contents=content["n_contents"],
            intercept=content["intercept"],
            tails=(content["tails"][0], content["tails"][1]),
            **arrays,
        )


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _terms(
    features: np.ndarray, centre: np.ndarray, scale: np.ndarray, weights: _Weights, flagged: np.ndarray, place: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is added up: of each feature (n, n_features), of each that is missing (n, n_flagged), of the content (n,).

    A content that came later has no weight.
    """
    n = features.shape[0]
    terms, of_missing, own = np.empty(features.shape), np.empty((n, flagged.size)), np.zeros(n)
    for row in range(n):
        for at in range(features.shape[1]):
            value = features[row, at]
            is_told = not np.isnan(value) and at != place
            terms[row, at] = ((value - centre[at]) / scale[at] if is_told else 0.0) * weights.features[at]
        for nth in range(flagged.size):
            of_missing[row, nth] = (1.0 if np.isnan(features[row, flagged[nth]]) else 0.0) * weights.flags[nth]
        content = features[row, place]
        if 0 <= content < weights.contents.size:
            own[row] = weights.contents[int(content)]
    return terms, of_missing, own


def best_penalty(design: np.ndarray, target: np.ndarray, rows: Rows) -> float:
    """The penalty with the smallest squared error on patients left out, each patient weighing the same.

    Whole patients are left out: a patient's other rows would give the answer
    away. The target is repeated, once a penalty, so that a fold's sums of
    products are worked out once for all of them.
    """
    repeated = np.repeat(target[:, None], PENALTIES.size, axis=1)
    folds = GroupKFold(min(FOLDS, rows.patients))
    ridge, params = LinearRidge(alpha=PENALTIES), {"sample_weight": rows.weight}
    predicted = cross_val_predict(ridge, design, repeated, groups=rows.patient, cv=folds, params=params)
    return float(PENALTIES[np.argmin(rows.weight @ (predicted - repeated) ** 2)])
