"""An interval that promises its level at any number of patients."""

import numpy as np

from posology.bootstrap import LEVEL, Interval, sums_per_patient


def bernstein_interval(
    patient: np.ndarray, terms: np.ndarray, span: tuple[float, float], *, level: float = LEVEL
) -> Interval:
    """The mean of the terms, with the empirical Bernstein bound on either side, within [0, 1].

    |V − E V| ≤ √(2 v ln(4/δ) / m) + 7 R ln(4/δ) / (3 (m − 1)) with probability
    1 − δ (Maurer & Pontil 2009, COLT 22, theorem 11, at δ/2 a side).

    Symbols: V the mean of all terms, the mean over patients of their sums by
    the mean number of terms a patient has; m the number of patients, the
    independent units; v the sample variance and R the range of what each
    brings; δ = 1 − level.
    Assumption: patients are independent, their numbers of terms are given,
    terms lie in the span, and what is estimated lies in [0, 1], as F does.
    It costs what it promises: with large weights and few patients it says nothing.

    Args:
        patient: (n,) whose term it is.
        terms: (n,).
        span: least and largest value a term can take.
        level: between 0 and 1.
    """
    sums, counts = sums_per_patient(patient, np.stack([terms, np.ones(len(terms))], axis=1)).T
    patients, low = len(sums), span[0]
    above_low = (sums - low * counts) / counts.mean()
    largest = (span[1] - low) * counts.max() / counts.mean()
    log_odds = np.log(4 / (1 - level))
    spread = np.sqrt(2 * above_low.var(ddof=1) * log_odds / patients)
    half = spread + 7 * largest * log_odds / (3 * (patients - 1))
    value = float(above_low.mean() + low)
    return Interval(value, float(np.clip(value - half, 0, 1)), float(np.clip(value + half, 0, 1)))
