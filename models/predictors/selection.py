"""Which of several fitted predictors is taken."""

from collections.abc import Mapping

import numpy as np

from models.predictors.kinds import KINDS
from models.predictors.predictor import Predictor
from models.predictors.rows import Rows


def patient_losses(predictor: Predictor, rows: Rows) -> np.ndarray:
    """(n_patients,) mean squared error of each patient's rows, in the order of their codes."""
    error = predictor.predict(rows.features)[:, 0] - rows.target
    return np.bincount(rows.patient, weights=error**2) / np.bincount(rows.patient)


def simplest_of_the_best(kind_to_losses: Mapping[str, np.ndarray]) -> str:
    """The simplest kind whose loss is within one standard error of the smallest.

    The one-standard-error rule (Breiman, Friedman, Olshen & Stone 1984, 3.4.3), on the differences within
    patients: what looks better by less than chance would make it is not worth its complexity.

    Args:
        kind_to_losses: kind → (n_patients,) losses, of the same patients in the same order.
    """
    best = min(kind_to_losses, key=lambda kind: kind_to_losses[kind].mean())

    def is_as_good(kind: str) -> bool:
        worse_by = kind_to_losses[kind] - kind_to_losses[best]
        return bool(worse_by.mean() <= worse_by.std() / np.sqrt(worse_by.size))

    return next(kind for kind in KINDS if kind in kind_to_losses and is_as_good(kind))
