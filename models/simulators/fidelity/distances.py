"""Distances between two distributions, with intervals that resample patients.

A distance cannot be negative, so noise alone makes it larger: the interval is
the basic bootstrap's, which takes off what resampling added (Davison & Hinkley
1997, section 5.2).
"""

import numpy as np

from models.simulators.fidelity.evidence import Series
from posology.bootstrap import LEVEL, Interval, Resamples

MOST_BINS = 50


def distribution_distance(real: Series, simulated: Series, rng: np.random.Generator) -> Interval:
    """Kolmogorov–Smirnov distance of numbers, total variation distance of categories; 0 to 1.

    Raises:
        TooSmall: too few patients.
    """
    edges = _edges(np.concatenate([real.values, simulated.values]))
    drawn = [Resamples.of(one.patient, _counts(one.values, edges), rng) for one in (real, simulated)]
    measure = _kolmogorov_smirnov if real.is_ordered else _total_variation
    observed = measure(drawn[0].observed, drawn[1].observed)
    return basic_interval(float(observed), measure(drawn[0].drawn, drawn[1].drawn))


def basic_interval(observed: float, drawn: np.ndarray) -> Interval:
    """Of a distance, from its resamples; nothing below zero."""
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    value = max(2 * observed - float(drawn.mean()), 0.0)
    return Interval(value, max(2 * observed - float(high), 0.0), max(2 * observed - float(low), value))


def _edges(values: np.ndarray) -> np.ndarray:
    unique = np.unique(values)
    if unique.size <= MOST_BINS:
        return unique
    return np.unique(np.quantile(values, np.linspace(0, 1, MOST_BINS, endpoint=False)))


def _counts(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(n, n_bins) one in the bin of each value."""
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, None)
    return (place[:, None] == np.arange(edges.size)).astype(float)


def _shares(sums: np.ndarray) -> np.ndarray:
    return sums / sums.sum(axis=-1, keepdims=True)


def _kolmogorov_smirnov(real: np.ndarray, simulated: np.ndarray) -> np.ndarray:
    return np.abs(np.cumsum(_shares(real) - _shares(simulated), axis=-1)).max(axis=-1)


def _total_variation(real: np.ndarray, simulated: np.ndarray) -> np.ndarray:
    return np.abs(_shares(real) - _shares(simulated)).sum(axis=-1) / 2
