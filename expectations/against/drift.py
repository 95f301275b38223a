"""Whether two groups of users differ in any of many columns, told apart from chance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from expectations.against.compositions import Composition

AT_ONCE = 500  # deals held in memory
WORTH_MORE = 0.05  # the least p of the first deals above which no more are made: it can only be chance


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


def drifts(columns: Sequence[Composition], joined: np.ndarray, *, error_rate: float, seed: int = 0) -> list[Drift]:
    """For each column how far those who joined are from the others.

    A user counts once, whatever the number of the user's rows: rows of one user are not independent. Whether a
    difference is chance is asked of the same data with the users dealt to the two groups at random, and of the
    clearest difference over all columns at once, so the error rate holds for all together, however the columns
    depend on each other (Westfall & Young 1993, Resampling-based multiple testing, maxT). When the first deals show
    nothing, no more are made (Besag & Clifford 1991, Biometrika 78:301): stopping early can only miss, not alarm.

    Args:
        joined: (n_users,) of all that are compared, who joined.
        error_rate: the smallest p that has to be told apart.
    """
    if not columns:
        return []
    clear, far = _differences(columns, joined[None, :])
    rng = np.random.default_rng(seed)
    first = _by_chance(columns, joined, rng, AT_ONCE)
    by_chance, p = first, _p(clear, first[0])
    if p.min() <= max(WORTH_MORE, 2 * error_rate):
        more = _by_chance(columns, joined, rng, round(5 / error_rate) - AT_ONCE)
        by_chance = np.concatenate([first, more], axis=1)
        p = _p(clear, by_chance[0])
    far_by_chance = by_chance[1]
    distance = np.maximum(far[0] - far_by_chance.mean(axis=0), 0.0)
    return [Drift(float(each), float(chance)) for each, chance in zip(distance, p, strict=True)]


def _by_chance(columns: Sequence[Composition], joined: np.ndarray, rng: np.random.Generator, deals: int) -> np.ndarray:
    """(2, n_deals, n_columns) how clear and how far, of at least so many deals."""
    times = -(-max(deals, 0) // AT_ONCE)
    found = [np.stack(_differences(columns, _dealt(joined, rng, AT_ONCE))) for _ in range(times)]
    return np.concatenate([np.empty((2, 0, len(columns))), *found], axis=1)


def _p(clear: np.ndarray, by_chance: np.ndarray) -> np.ndarray:
    """(n_columns,) how often the clearest of all columns is as clear by chance; the data themselves are one deal."""
    mean, spread = by_chance.mean(axis=0), by_chance.std(axis=0) + 1e-12
    clearest = ((by_chance - mean) / spread).max(axis=1)
    return (1 + (clearest[:, None] >= (clear - mean) / spread).sum(axis=0)) / (1 + len(clearest))  # type: ignore[no-any-return]


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
