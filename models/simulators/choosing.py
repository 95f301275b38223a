"""How contents were chosen in the log: the chance of each, as a classifier tells given from not given."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from catboost import CatBoostClassifier, Pool

from models.simulators.answers import OPTIONS
from models.simulators.log import Log
from posology.safety import blocks

MOST_ROWS = 40_000  # candidates looked at, given and not given


@dataclass(frozen=True)
class Choosing:
    """The classifier of given and not given; None where there is nothing to choose."""

    model: CatBoostClassifier | None

    @classmethod
    def fit(cls, log: Log, rng: np.random.Generator) -> Self:
        """From a sample of the log's decisions, with all that was eligible in each."""
        n_contents = log.tables.contents.height
        if n_contents < 2:
            return cls(None)
        sample = np.sort(rng.permutation(log.rows.size)[: max(MOST_ROWS // n_contents, 100)])
        candidates = log.features.of_candidates(log.tables, log.rows[sample])
        allowed = blocks(log.therapy, log.tables.contents, candidates.situations, candidates.recent).eligible
        given = log.place[sample, None] == np.arange(n_contents)
        shown = (allowed | given).ravel()
        model = CatBoostClassifier(loss_function="Logloss", **OPTIONS)
        return cls(model.fit(candidates.features[shown], given.ravel()[shown]))

    def chance(self, matrix: np.ndarray) -> np.ndarray:
        """(n,) of being given where it is eligible, for each candidate; not yet summing to one over a decision."""
        if self.model is None:
            return np.ones(len(matrix))
        return np.asarray(self.model.predict_proba(Pool(matrix, thread_count=1), thread_count=1)[:, 1])
