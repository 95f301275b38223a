"""Intervals that cover in every slice of patients, not only on the whole.

Mondrian conformal prediction (Vovk, Gammerman & Shafer 2005, 4.5) asks for
coverage in each group; where groups overlap (a sex and a kind of content), each
gets what it still lacks after the others, in turn (Jung, Noarov, Ramalingam &
Roth 2023, batch multivalid conformal prediction).
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from models.predictors.conformal import conformal_margin
from models.predictors.interval import Wider
from models.predictors.rows import Rows

MOST = sys.float_info.max  # JSON knows no infinity
LEAST_PATIENTS = 20  # below it a slice keeps what everyone has: the 0.9 quantile of 20 is known to about 0.07
SHRINK_PATIENTS = 40  # a slice's own margin counts so many patients of everyone's
SWEEPS = 6
FEW_FEEDBACKS = (0.0, 3.0, 10.0, MOST)  # how much is known of a patient drives how well F is predicted


@dataclass(frozen=True)
class Slice:
    """The rows in which a feature lies in [low, high).

    Attributes:
        margin: what is added to everyone's at both ends; 0 where there are too few patients.
        patients: calibrated on; fewer than ``LEAST_PATIENTS`` fall back to everyone.
    """

    feature: str
    low: float
    high: float
    margin: float = 0.0
    patients: int = 0

    def holds(self, features: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """(n,) whether each row is in the slice; what is missing is in none."""
        values = features[:, names.index(self.feature)]
        return (values >= self.low) & (values < self.high)


def slices_of(fit: Rows) -> tuple[Slice, ...]:
    """Every category of U, context and content; few, some and many feedbacks; thirds of the last score."""
    categories = tuple(Slice(name, 0.5, MOST) for name in fit.names if "=" in name)
    return (*categories, *_between("feedbacks", FEW_FEEDBACKS, fit), *_between("score_last", _thirds(fit), fit))


def calibrated(
    slices: Sequence[Slice], rows: Rows, score: np.ndarray, *, coverage: float
) -> tuple[float, tuple[Slice, ...]]:
    """Everyone's margin, and the slices with their own.

    Args:
        slices: may overlap.
        rows: (n) of the calibration patients.
        score: (n,) how far outside its raw interval each outcome fell.
        coverage: nominal.
    """
    margin = conformal_margin(score, rows.patient, coverage=coverage)
    held = [each.holds(rows.features, rows.names) for each in slices]
    patients = [int(np.unique(rows.patient[inside]).size) for inside in held]
    extra, left = np.zeros(len(slices)), score - margin
    for _ in range(SWEEPS):
        for which in [place for place, n in enumerate(patients) if n >= LEAST_PATIENTS]:
            inside, n = held[which], patients[which]
            lacks = conformal_margin(left[inside], rows.patient[inside], coverage=coverage)
            lacks = max(lacks * n / (n + SHRINK_PATIENTS), -extra[which])  # no slice is given less than everyone
            extra[which] += lacks
            left[inside] -= lacks
        for_all = conformal_margin(left, rows.patient, coverage=coverage)
        margin, left = margin + for_all, left - for_all
    told = (replace(each, margin=float(own), patients=n) for each, own, n in zip(slices, extra, patients, strict=True))
    return margin, tuple(told)


def wider(slices: Sequence[Slice], names: Sequence[str]) -> Wider:
    """The slices with a margin of their own, in their order."""
    wide = [each for each in slices if each.margin]
    ends = np.array([(each.low, each.high, each.margin) for each in wide]).reshape(-1, 3)
    return Wider(np.array([names.index(each.feature) for each in wide], dtype=int), *np.ascontiguousarray(ends.T))


def _between(name: str, ends: Sequence[float], fit: Rows) -> tuple[Slice, ...]:
    if name not in fit.names:
        return ()
    return tuple(Slice(name, low, high) for low, high in pairwise(ends) if low < high)


def _thirds(fit: Rows) -> tuple[float, ...]:
    scores = fit.column("score_last") if "score_last" in fit.names else np.zeros(0)
    known = scores[~np.isnan(scores)]
    return (-MOST, *np.quantile(known, [1 / 3, 2 / 3]).tolist(), MOST) if known.size else ()
