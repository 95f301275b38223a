"""Which (course, content) pairs are like those that were seen; elsewhere a prediction is a guess.

A classifier tells pairs that happened from the same courses with the contents
of others (noise-contrastive estimation, Gutmann & Hyvärinen 2010): its odds
estimate how much likelier a content was given to such a patient than to all.
A pair below the hundredth part of the calibration patients' own pairs, or a
content never given, is out of support.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from catboost import CatBoostClassifier

from models.features import PLACE
from models.fold import CANDIDATE, PER_NUMBER
from models.predictors.rows import Rows
from models.predictors.saved import save_catboost
from models.predictors.trees import NamedTrees

FALSE_ALARMS = 0.01  # share of the pairs of new patients that are called out of support though they are not
MOST_ROWS = 40_000  # more do not sharpen it
LEAST_PATIENTS = 20  # to learn from and to set the threshold on; below it only contents never given are told
NAME = "support.cbm"


@dataclass(frozen=True)
class Support:
    """What was seen.

    Attributes:
        names: the features it looks at.
        contents: places of the contents that were given.
        least: log-odds below which a pair is out of support.
        model: None where there was too little to learn from.
    """

    names: tuple[str, ...]
    contents: tuple[int, ...]
    least: float
    model: CatBoostClassifier | None = field(default=None, compare=False, repr=False)

    def holds(self, features: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """(n,) whether each pair is like those that were seen."""
        known = self._is_seen(features[:, names.index(PLACE)])
        if self.model is None or not features.shape[0]:
            return known
        return known & (self._trees.sums(features, tuple(names))[:, 0] >= self.least)

    def _is_seen(self, places: np.ndarray) -> np.ndarray:
        return self._seen[np.minimum(places.astype(int), self._seen.size - 1)]

    @cached_property
    def _seen(self) -> np.ndarray:
        seen = np.zeros(max(self.contents, default=-1) + 2, dtype=bool)  # the last for what came later
        seen[list(self.contents)] = True
        return seen

    @cached_property
    def _trees(self) -> NamedTrees:
        assert self.model is not None
        return NamedTrees(self.model, self.names)

    def about(self) -> dict[str, Any]:
        """What is saved beside the model."""
        return {
            "names": self.names,
            "contents": self.contents,
            "least": self.least,
            "is_learnt": self.model is not None,
        }

    def save(self, folder: Path) -> None:
        """Write the model's file, where there is a model."""
        if self.model is not None:
            save_catboost(self.model, folder / NAME)

    @classmethod
    def load(cls, about: Mapping[str, Any], folder: Path) -> Self:
        """Read what was saved."""
        model = CatBoostClassifier().load_model(str(folder / NAME)) if about["is_learnt"] else None
        return cls(tuple(about["names"]), tuple(about["contents"]), about["least"], model)


def fit_support(fit: Rows, calibrate: Rows, *, seed: int) -> Support:
    """Learnt on some patients, its threshold set on others."""
    place = fit.column(PLACE)
    contents = tuple(int(each) for each in np.unique(place))
    names = tuple(name for name in fit.names if not _is_of_candidate(name))
    at = [fit.names.index(name) for name in names]
    some = _some(fit, seed)
    real = fit.features[some][:, at]
    enough = min(fit.patients, calibrate.patients) >= LEAST_PATIENTS
    if len(contents) < 2 or not enough:
        return Support(names, contents, 0.0)
    mixed = real.copy()
    of_content = [place for place, name in enumerate(names) if name == PLACE or _follows(fit, name)]
    mixed[:, of_content] = real[np.random.default_rng(seed).permutation(some.size)][:, of_content]
    model = CatBoostClassifier(
        iterations=150,
        depth=5,
        learning_rate=0.15,
        random_seed=seed,
        thread_count=2,
        border_count=64,
        allow_writing_files=False,
        verbose=False,
    ).fit(np.vstack([real, mixed]), np.repeat([1, 0], some.size))
    untold = Support(names, contents, 0.0, model)
    odds = untold._trees.sums(calibrate.features[:, at], names)[:, 0]
    return Support(names, contents, _quantile(odds, calibrate.weight), model)


def _is_of_candidate(name: str) -> bool:
    """Whether a feature is about the candidate's own past, which for the contents of others is not known."""
    return name in CANDIDATE or name.endswith(PER_NUMBER)


def _follows(fit: Rows, name: str) -> bool:
    """Whether a feature is the content's own: the same in every row of one content."""
    order = np.argsort(fit.column(PLACE), kind="stable")
    same = np.diff(fit.column(PLACE)[order]) == 0
    values = np.nan_to_num(fit.column(name)[order], nan=-1e300)
    return bool((np.diff(values)[same] == 0).all())


def _some(fit: Rows, seed: int) -> np.ndarray:
    n = fit.target.size
    return np.sort(np.random.default_rng([seed, 1]).permutation(n)[:MOST_ROWS])


def _quantile(odds: np.ndarray, weight: np.ndarray) -> float:
    order = np.argsort(odds, kind="stable")
    reached = np.cumsum(weight[order]) / weight.sum()
    return float(odds[order][min(int(np.searchsorted(reached, FALSE_ALARMS)), odds.size - 1)])
