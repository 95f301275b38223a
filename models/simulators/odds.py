"""The chance that something happens, as a logistic regression tells it from a few columns."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from sklearn.linear_model import LogisticRegression


@dataclass(frozen=True)
class Odds:
    """Logistic regression on standardised columns; what is missing takes the column's mean.

    Attributes:
        centre, scale, weights: (n_columns,)
    """

    centre: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    intercept: float

    @classmethod
    def fit(cls, columns: np.ndarray, happened: np.ndarray) -> Self:
        """From (n, n_columns) and (n,) of bool; the same chance for all where it always or never happened."""
        known = ~np.isnan(columns)
        counts = np.maximum(known.sum(axis=0), 1)
        centre = np.where(known, columns, 0).sum(axis=0) / counts
        filled = np.where(known, columns, centre)
        scale = np.where(filled.std(axis=0) > 1e-9, filled.std(axis=0), 1.0) if len(filled) else np.ones(len(centre))
        share = (happened.sum() + 0.5) / (happened.size + 1)
        constant = cls(centre, scale, np.zeros(centre.size), float(np.log(share / (1 - share))))
        if len(np.unique(happened)) < 2:
            return constant
        model = LogisticRegression(max_iter=500).fit((filled - centre) / scale, happened)
        return cls(centre, scale, model.coef_[0], float(model.intercept_[0]))

    def chance(self, columns: np.ndarray) -> np.ndarray:
        """(n,) for each row of columns."""
        standard = np.where(np.isnan(columns), 0.0, (columns - self.centre) / self.scale)
        return 1 / (1 + np.exp(-(standard @ self.weights + self.intercept)))
