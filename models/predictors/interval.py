"""From what a model says to a prediction with its interval, compiled: one step a row."""

from typing import NamedTuple

import numba
import numpy as np


class Wider(NamedTuple):
    """The slices that widen the interval: place of the feature, its ends and the margin, each (n_slices,)."""

    place: np.ndarray
    low: np.ndarray
    high: np.ndarray
    margin: np.ndarray


@numba.njit(cache=True, nogil=True)
def interval(
    raw: np.ndarray,
    features: np.ndarray,
    anchor: int,
    margin: float,
    wider: Wider,
    bounds: tuple[float, float],
) -> np.ndarray:
    """(n, 3) mean, low, high within the bounds.

    Args:
        raw: (n, 3) mean, low and high quantile, as a change from the anchor.
        features: (n, n_features)
        anchor: place of a feature; -1 for none.
        margin: everyone's.
        wider: adds to it in the order of the slices.
        bounds: of the target.
    """
    found, (least, most) = np.empty(raw.shape), bounds
    for row in range(raw.shape[0]):
        own = 0.0
        for nth in range(wider.place.size):
            value = features[row, wider.place[nth]]
            own += wider.margin[nth] if wider.low[nth] <= value < wider.high[nth] else 0.0
        begin = _known(features[row, anchor]) if anchor >= 0 else 0.0
        mean = raw[row, 0] + begin
        low = np.minimum(raw[row, 1] + begin - (margin + own), mean)
        high = np.maximum(raw[row, 2] + begin + (margin + own), mean)
        for place, value in enumerate((mean, low, high)):
            found[row, place] = np.minimum(np.maximum(value, least), most)
    return found


@numba.njit(cache=True, nogil=True)
def _known(value: float) -> float:
    """As ``numpy.nan_to_num``."""
    most = np.finfo(np.float64).max
    return 0.0 if np.isnan(value) else min(max(value, -most), most)
