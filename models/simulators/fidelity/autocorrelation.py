"""F106: how much a value tells of a later one."""

import numpy as np

from models.simulators.fidelity.evidence import Evidence, Series, context_series, feedback_series, status_series
from models.simulators.fidelity.question import Figure, Question
from models.simulators.log import Log
from posology.bootstrap import LEVEL, Interval, Resamples
from posology.errors import TooSmall

LAGS_OF_F = (1, 5)
QUESTION = Question(
    code="F106",
    title="memory",
    asks="correlation of a value with a later one of the same patient, simulated minus real",
    lowest=-0.1,
    highest=0.1,
    because="a correlation of 0.1 is the smallest that counts as an effect (Cohen 1988)",
    otherwise="do not try models of sequences, or policies that look back, on simulated patients",
)


def autocorrelation(evidence: Evidence) -> list[Figure]:
    """F one and five sessions apart; each number of the context, and each reading, with the next one."""
    return [
        _compare(evidence, real, simulated, lag)
        for (real, lag), (simulated, _) in zip(_followed(evidence.real), _followed(evidence.simulated), strict=True)
        if _pairs(real, lag)[0].size
    ]


def _followed(log: Log) -> list[tuple[Series, int]]:
    value = [(series, lag) for series in feedback_series(log)[:1] for lag in LAGS_OF_F]
    return value + [(series, 1) for series in (*context_series(log), *status_series(log)) if series.is_ordered]


def _compare(evidence: Evidence, real: Series, simulated: Series, lag: int) -> Figure:
    def difference() -> Interval:
        rng = evidence.rng(f"{QUESTION.code}{real.name}{lag}")
        own, other = (Resamples.of(*_pairs(series, lag), rng) for series in (simulated, real))
        drawn = _correlation(own.drawn) - _correlation(other.drawn)
        if not np.isfinite(drawn).all():
            raise TooSmall("the values hardly vary")
        low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return Interval(float(_correlation(own.observed) - _correlation(other.observed)), float(low), float(high))

    return QUESTION.answer(f"{real.name} {lag} later", evidence.patients, difference)


def _pairs(series: Series, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """(n,) whose, and (n, 6) 1, x, y, x², y² and xy of each pair that many apart."""
    known = series.known
    patient, first, later = known.patient[lag:], known.values[:-lag], known.values[lag:]
    is_same = patient == known.patient[:-lag]
    x, y = first[is_same], later[is_same]
    return patient[is_same], np.column_stack([np.ones(x.size), x, y, x * x, y * y, x * y])


def _correlation(sums: np.ndarray) -> np.ndarray:
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((n * xy - x * y) / np.sqrt((n * xx - x * x) * (n * yy - y * y)))
