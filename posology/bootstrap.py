"""Intervals that respect that a patient's sessions are not independent.

Patients are drawn with replacement, each with all their rows (the cluster
bootstrap; Davison & Hinkley 1997, section 3.8). Everything worth an interval
here is a function of sums over rows, so a resample is a weighted sum of
per-patient sums, whatever the number of rows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from posology.errors import TooSmall

LEVEL = 0.95  # of every interval unless told otherwise (ICH E9, section 5.5: the usual two-sided level)
RESAMPLES = 1_000
MINIMUM_PATIENTS = 10  # with fewer no resampling of patients can be trusted (Cameron, Gelbach & Miller 2008)
_DRAWS_AT_ONCE = 4_000_000  # bounds the memory of one batch of resamples to some 64 MB

Statistic = Callable[[np.ndarray], np.ndarray]  # sums (..., n_terms) → values (...)


@dataclass(frozen=True)
class Interval:
    """An estimate and the interval around it."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"


@dataclass(frozen=True)
class Resamples:
    """Sums over all patients, as observed and in every resample.

    Several statistics asked of the same value are paired: they see the same
    patients in each resample.
    """

    observed: np.ndarray  # (n_terms,)
    drawn: np.ndarray  # (n_resamples, n_terms)
    patients: int

    @classmethod
    def of(
        cls, patient: np.ndarray, terms: np.ndarray, rng: np.random.Generator, *, resamples: int = RESAMPLES
    ) -> "Resamples":
        """Draw patients with replacement.

        Args:
            patient: (n,) whose row it is.
            terms: (n, n_terms) what is summed.
            rng: the same state gives the same intervals.
            resamples: how often patients are drawn.

        Raises:
            TooSmall: fewer than ``MINIMUM_PATIENTS`` patients.
        """
        sums = sums_per_patient(patient, terms)
        if len(sums) < MINIMUM_PATIENTS:
            raise TooSmall(
                f"an interval needs {MINIMUM_PATIENTS} patients or more, there are {len(sums)}; "
                f"collect data of {MINIMUM_PATIENTS - len(sums)} more"
            )
        return cls(sums.sum(axis=0), _draw(sums, rng, resamples), len(sums))

    def interval(self, statistic: Statistic, *, terms: slice = slice(None), level: float = LEVEL) -> Interval:
        """The statistic with its expanded percentile interval.

        Percentiles of resamples are too narrow by about √((n−1)/n) and a
        normal instead of a t tail; the expanded percentile interval takes
        Φ(−√(n/(n−1)) t) in place of (1 − level)/2 (Hesterberg 2015, The
        American Statistician 69:371). With many patients the two agree.

        Args:
            statistic: sums → value, vectorised over leading axes.
            terms: which of the terms the statistic is about.
            level: between 0 and 1.

        Raises:
            TooSmall: the statistic is undefined in some resample.
        """
        values = statistic(self.drawn[:, terms])
        if not np.isfinite(values).all():
            raise TooSmall("the figure is undefined in some resamples of patients: too few patients carry it")
        tail = _expanded_tail(self.patients, level)
        low, high = np.quantile(values, [tail, 1 - tail])
        return Interval(float(statistic(self.observed[terms])), float(low), float(high))


def ratio(sums: np.ndarray) -> np.ndarray:
    """First sum over second; not a number where the second is zero."""
    numerator, denominator = sums[..., 0], sums[..., 1]
    return np.divide(numerator, denominator, out=np.full(np.shape(numerator), np.nan), where=denominator != 0)


def sums_per_patient(patient: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """(n_patients, n_terms) the terms of each patient's rows added up."""
    codes = np.unique(patient, return_inverse=True)[1]
    return np.stack([np.bincount(codes, weights=column) for column in terms.T], axis=1)


def mean_per_patient(patient: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(n_patients,) each patient's mean, so that every patient can count equally."""
    return ratio(sums_per_patient(patient, np.stack([values, np.ones(len(values))], axis=1)))


def _draw(sums: np.ndarray, rng: np.random.Generator, resamples: int) -> np.ndarray:
    patients = len(sums)
    batch = max(1, _DRAWS_AT_ONCE // patients)
    drawn = []
    for begin in range(0, resamples, batch):
        size = min(batch, resamples - begin)
        picks = rng.integers(patients, size=(size, patients))
        flat = (picks + np.arange(size)[:, None] * patients).ravel()
        times_drawn = np.bincount(flat, minlength=size * patients).reshape(size, patients)
        drawn.append(times_drawn.astype(float) @ sums)
    return np.concatenate(drawn)


def _expanded_tail(patients: int, level: float) -> float:
    t = special.stdtrit(patients - 1, (1 + level) / 2)
    return float(special.ndtr(-np.sqrt(patients / (patients - 1)) * t))
