"""What a predictor goes by as a whole."""

from dataclasses import dataclass

import numpy as np

from models.explanations.contributions import contributions
from models.explanations.readable import grouped
from models.predictors.predictor import Predictor
from models.predictors.rows import Rows

MOST_ROWS = 2_000  # that the means are taken over; more change them little


@dataclass(frozen=True)
class Overall:
    """How much one thing moves the predictions.

    Attributes:
        name: readable, see ``group_of``.
        size: mean absolute contribution, in units of the target.
        direction: rank correlation of a single feature with its contribution: 1 more of it adds, −1 more takes
            away, near 0 neither; None of what stands for several features, or is always the same.
    """

    name: str
    size: float
    direction: float | None


def overall(predictor: Predictor, rows: Rows) -> tuple[Overall, ...]:
    """The largest first; each patient weighs the same.

    Args:
        predictor: of F or Mf.
        rows: that it is asked about; of many, evenly some.
    """
    some = np.arange(len(rows.target))[:: max(1, len(rows.target) // MOST_ROWS)]
    features, weight = rows.features[some], rows.weight[some]
    told = contributions(predictor, features)
    groups, by_group = grouped(predictor.names, told)
    sizes = np.average(np.abs(by_group[:, :-1]), axis=0, weights=weight)
    found = [
        Overall(name, float(size), _direction(predictor.names, name, features, told))
        for name, size in zip(groups, sizes, strict=True)
    ]
    return tuple(sorted(found, key=lambda each: -each.size))


def _direction(names: tuple[str, ...], group: str, features: np.ndarray, told: np.ndarray) -> float | None:
    from scipy.stats import rankdata

    if group not in names:
        return None
    place = names.index(group)
    known = np.isfinite(features[:, place])
    value, adds = features[known, place], told[known, place]
    if known.sum() < 3 or np.ptp(value) == 0 or np.ptp(adds) == 0:
        return None
    return float(np.corrcoef(rankdata(value), rankdata(adds))[0, 1])
