"""Rows a predictor is fitted, calibrated or judged on."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from models.predictors.remaining import WEIGHT
from models.split import Part

META = ("user_id", "decision_id", "content_id", "part", "target", WEIGHT)


@dataclass(frozen=True)
class Rows:
    """Feature rows with their target.

    Attributes:
        names: n_features column names.
        features: (n, n_features).
        target: (n,) F in [0, 1] or Mf in points of the instrument.
        patient: (n,) codes; the rows of one patient together weigh as one.
        stands_for: (n,) how many such patients each row's patient stands for; one when not given.
    """

    names: tuple[str, ...]
    features: np.ndarray
    target: np.ndarray
    patient: np.ndarray
    stands_for: np.ndarray | None = None

    @classmethod
    def of(cls, table: pl.DataFrame, part: Part) -> Self:
        """The rows of one part of a feature table that have the target."""
        rows = table.filter(pl.col("part") == part).drop_nulls("target")
        names = tuple(name for name in table.columns if name not in META)
        patient = rows["user_id"].rank("dense").cast(pl.Int64).to_numpy() - 1
        stands_for = rows[WEIGHT].to_numpy() if WEIGHT in rows.columns else None
        features = rows.select(names).to_numpy().astype(float)
        return cls(names, np.ascontiguousarray(features), rows["target"].to_numpy().astype(float), patient, stands_for)

    @property
    def patients(self) -> int:
        """How many patients there are."""
        return int(np.unique(self.patient).size)

    @property
    def weight(self) -> np.ndarray:
        """(n,) each patient weighs one, or what it stands for, spread over the patient's rows; mean 1."""
        counts = np.bincount(self.patient)
        weight = 1.0 / counts[self.patient]
        if self.stands_for is not None:
            weight = weight * self.stands_for
        return weight * weight.size / weight.sum()

    def column(self, name: str) -> np.ndarray:
        """(n,) one feature."""
        return self.features[:, self.names.index(name)]
