"""What numbers told about patients say of their capacities."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from posology.simulators.mechanism import Mechanism
from posology.therapy import Therapy


@dataclass(frozen=True)
class Reading:
    """A column as a linear function of the capacities, with normal noise."""

    weights: np.ndarray
    sd: float


@dataclass(frozen=True)
class Readings:
    """The numeric U and context columns that depend on the capacities."""

    columns: Mapping[str, Reading]

    @classmethod
    def of(cls, rng: np.random.Generator, mechanism: Mechanism, therapy: Therapy, capacities: np.ndarray) -> "Readings":
        """Fitted by least squares to columns drawn for these (n, n_capacities)."""
        drawn = {**mechanism.draw_users(rng, capacities), **mechanism.draw_feelings(rng, capacities)}
        numbers = [name for name, column in (therapy.user | therapy.context).items() if column.kind == "number"]
        design = np.column_stack([capacities, np.ones(len(capacities))])
        fitted = {}
        for name in (name for name in numbers if name in drawn):
            values = np.asarray(drawn[name], dtype=float)
            weights = np.linalg.lstsq(design, values, rcond=None)[0]
            fitted[name] = Reading(weights, float((values - design @ weights).std()))
        return cls(fitted)

    def log_likelihood(self, capacities: np.ndarray, columns: pl.DataFrame) -> np.ndarray:
        """(n, k) of n rows of columns, for (n, k, n_capacities); a missing value tells nothing."""
        total = np.zeros(capacities.shape[:2])
        for name in (name for name in self.columns if name in columns.columns):
            reading = self.columns[name]
            value = columns[name].cast(pl.Float64).to_numpy()[:, None]
            expected = capacities @ reading.weights[:-1] + reading.weights[-1]
            total -= np.nan_to_num(0.5 * ((value - expected) / reading.sd) ** 2)
        return total
