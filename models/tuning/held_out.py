"""Losses on patients left out: what option sets, and beginnings, are compared by."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from models.predictors.predictor import Fitter, fit_mean
from models.predictors.rows import Rows
from models.targets import Target


@dataclass(frozen=True)
class Question:
    """Rows and what is asked of a predictor of them.

    Attributes:
        rows: of the patients that may be used, and of nobody else.
        bounds: the range of the target.
        fold: (n,) the fold each row is left out in; a patient's rows share one.
    """

    target: Target
    rows: Rows
    bounds: tuple[float, float]
    fold: np.ndarray

    @classmethod
    def of(cls, target: Target, rows: Rows, *, bounds: tuple[float, float], folds: int, seed: int) -> "Question":
        """Patients dealt to the folds by a seed."""
        return cls(target, rows, bounds, dealt(rows, folds, np.random.default_rng(seed)))

    @property
    def patients_of_folds(self) -> np.ndarray:
        """(n_patients,) patient codes in the order ``fold_losses`` comes to them."""
        return np.concatenate([np.unique(self.rows.patient[self.fold == fold]) for fold in np.unique(self.fold)])

    def fold_losses(self, kind: Fitter, options: Mapping[str, Any]) -> Iterator[np.ndarray]:
        """(n_patients of the fold,) losses of a model of the others, fold by fold."""
        for fold in np.unique(self.fold):
            others, left_out = (subset(self.rows, chosen) for chosen in (self.fold != fold, self.fold == fold))
            yield losses_on(left_out, kind, self.target, others, options=options, bounds=self.bounds)

    def losses(self, kind: Fitter, options: Mapping[str, Any]) -> np.ndarray:
        """(n_patients,) losses of every patient, each by a model of the other folds."""
        return np.concatenate(list(self.fold_losses(kind, options)))


def losses_on(
    judged: Rows,
    kind: Fitter,
    target: Target,
    fit: Rows,
    *,
    options: Mapping[str, Any],
    bounds: tuple[float, float],
) -> np.ndarray:
    """(n_patients,) mean squared error of each judged patient's rows, by a model fitted on others."""
    mean = fit_mean(kind, target, fit, options=options, bounds=bounds)
    error = mean(judged.features) - judged.target
    return np.bincount(judged.patient, weights=error**2) / np.bincount(judged.patient)


def dealt(rows: Rows, hands: int, rng: np.random.Generator) -> np.ndarray:
    """(n,) a number below ``hands`` for each row: patients are shuffled and dealt out like cards."""
    patients, codes = np.unique(rows.patient, return_inverse=True)
    hand = np.empty(patients.size, dtype=int)
    hand[rng.permutation(patients.size)] = np.arange(patients.size) % hands
    return hand[codes]


def subset(rows: Rows, chosen: np.ndarray) -> Rows:
    """The chosen rows, patients coded anew from zero in the same order.

    Args:
        chosen: (n,) booleans.
    """
    arrays = {
        each.name: value[chosen] for each in fields(rows) if isinstance(value := getattr(rows, each.name), np.ndarray)
    }
    return replace(rows, **arrays | {"patient": np.unique(arrays["patient"], return_inverse=True)[1]})


def at_most(rows: Rows, patients: int, seed: int) -> Rows:
    """The rows of so many patients, drawn by seed; all where there are no more."""
    codes = np.unique(rows.patient)
    kept = np.random.default_rng(seed).permutation(codes)[:patients]
    return rows if kept.size == codes.size else subset(rows, np.isin(rows.patient, kept))
