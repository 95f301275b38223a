"""Intervals that cover: conformal calibration on patients the predictor has not seen."""

import numpy as np


def conformal_margin(score: np.ndarray, patient: np.ndarray, *, coverage: float) -> float:
    """How far an interval must be widened to cover a new patient's outcome.

    Conformalised quantile regression (Romano, Patterson, Candès 2019): the
    quantile of ``score = max(low - y, y - high)`` over calibration rows. The
    rows of one patient are not exchangeable with each other, so each patient
    weighs one and the finite-sample correction counts patients (Lee, Barber,
    Willett 2023, hierarchical conformal prediction).

    Args:
        score: (n,) how far outside its interval each outcome fell; negative inside.
        patient: (n,) codes.
        coverage: nominal, for example 0.9.

    Returns:
        The margin; the largest score where there are too few patients for the level.
    """
    _, codes = np.unique(patient, return_inverse=True)
    counts = np.bincount(codes)
    level = min(coverage * (1 + 1 / counts.size), 1.0)
    order = np.argsort(score, kind="stable")
    reached = np.cumsum((1 / counts[codes] / counts.size)[order])
    place = min(int(np.searchsorted(reached, level - 1e-12)), score.size - 1)
    return float(score[order][place])
