"""Whether two groups of users differ in any of many columns, told apart from chance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from expectations.against.compositions import Composition

AT_ONCE = 500  # deals held in memory
DEALS = 5_000
TAIL = 0.05  # of the deals, the clearest, that tell how fast chance thins out beyond them


@dataclass(frozen=True)
class Drift:
    """What came of comparing one column.

    Attributes:
        distance: total variation distance of the two mean compositions, less what
            chance alone would give: 0 is alike, 1 is nothing in common.
        p: chance of a difference as clear as this in any of the columns when nobody differs.
    """

    distance: float
    p: float


def drifts(columns: Sequence[Composition], joined: np.ndarray, *, deals: int = DEALS, seed: int = 0) -> list[Drift]:
    """For each column how far those who joined are from the others.

    A user counts once, whatever the number of the user's rows: rows of one user are not independent. Whether a
    difference is chance is asked of the same data with the users dealt to the two groups at random, and of the
    clearest difference over all columns at once, so the error rate holds for all together, however the columns
    depend on each other (Westfall & Young 1993, Resampling-based multiple testing, maxT). Beyond the deals' own
    tail p is extrapolated, so that a rate of one in 100,000 does not take as many deals (Winkler et al. 2016,
    NeuroImage 141:502; the tail of a sum of squares falls exponentially).

    Args:
        joined: (n_users,) of all that are compared, who joined.
        deals: how many times the users are dealt anew.
    """
    if not columns:
        return []
    clear, far = _differences(columns, joined[None, :])
    rng = np.random.default_rng(seed)
    chance = [_differences(columns, _dealt(joined, rng, AT_ONCE)) for _ in range(-(-deals // AT_ONCE))]
    clear_by_chance, far_by_chance = (np.vstack(each) for each in zip(*chance, strict=True))
    mean, spread = clear_by_chance.mean(axis=0), clear_by_chance.std(axis=0) + 1e-12
    clearest = ((clear_by_chance - mean) / spread).max(axis=1)
    p = _chances(clearest, ((clear - mean) / spread)[0])
    distance = np.maximum(far[0] - far_by_chance.mean(axis=0), 0.0)
    return [Drift(float(each), float(chance)) for each, chance in zip(distance, p, strict=True)]


def _chances(by_chance: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(n_columns,) chance of a statistic as large as found, from (n_deals,) of the largest by chance."""
    start = np.quantile(by_chance, 1 - TAIL)
    beyond = by_chance[by_chance > start]
    counted = (1 + (by_chance[:, None] >= found).sum(axis=0)) / (1 + len(by_chance))
    if not len(beyond):
        return counted
    extrapolated = len(beyond) / len(by_chance) * np.exp(-(found - start) / (beyond - start).mean())
    return np.where(found > start, extrapolated, counted)


def distances(columns: Sequence[Composition], joined: np.ndarray) -> np.ndarray:
    """(n_columns,) total variation distances as they are, chance not taken off."""
    return _differences(columns, joined[None, :])[1][0] if columns else np.empty(0)


def _dealt(joined: np.ndarray, rng: np.random.Generator, times: int) -> np.ndarray:
    """(times, n_users) the same number of users said to have joined, anew each time."""
    return rng.permuted(np.tile(joined, (times, 1)), axis=1)


def _differences(columns: Sequence[Composition], joined: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n_deals, n_columns) twice: how clear each difference is, in squared standard errors summed over cells, and the
    total variation distance. ``joined`` is (n_deals, n_users)."""
    pairs = [_difference(column.shares, joined[:, column.users].astype(np.float32)) for column in columns]
    return np.column_stack([clear for clear, _ in pairs]), np.column_stack([far for _, far in pairs])


def _difference(shares: np.ndarray, joined: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n_deals,) twice, for one column; 0 where one of the groups has nobody."""
    n = joined.sum(axis=1, keepdims=True)
    others = len(shares) - n
    summed = joined @ shares.astype(np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = np.nan_to_num(summed / n - (shares.sum(axis=0) - summed) / others)
        squares = between**2 / (1 / n + 1 / others) / shares.var(axis=0)
    return np.nan_to_num(squares).sum(axis=1), np.abs(between).sum(axis=1) / 2
