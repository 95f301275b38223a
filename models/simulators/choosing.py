"""How contents were chosen in the log: the chance of each, as a classifier tells given from not given."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from catboost import CatBoostClassifier, Pool

from models.simulators.answers import OPTIONS
from models.simulators.log import Log
from posology.safety import blocks

MOST_CANDIDATES = 200_000  # described
NOT_GIVEN = 6  # shown beside each that was given


@dataclass(frozen=True)
class Choosing:
    """The classifier of given and not given.

    Attributes:
        model: None where there is nothing to choose.
        log_share: logarithm of the share of contents not given that it was shown, which is taken off its odds
            (King & Zeng 2001, Political Analysis 9:137).
    """

    model: CatBoostClassifier | None
    log_share: float

    @classmethod
    def fit(cls, log: Log, rng: np.random.Generator) -> Self:
        """From a sample of the log's decisions, with all that was eligible in each."""
        n_contents = log.tables.contents.height
        if n_contents < 2:
            return cls(None, 0.0)
        sample = np.sort(rng.permutation(log.rows.size)[: max(MOST_CANDIDATES // n_contents, 100)])
        candidates = log.features.of_candidates(log.tables, log.rows[sample])
        allowed = blocks(log.therapy, log.tables.contents, candidates.situations, candidates.recent).eligible
        given = log.place[sample, None] == np.arange(n_contents)
        share = min(NOT_GIVEN / max(float(allowed.sum(axis=1).mean()), 1.0), 1.0)
        shown = (given | (allowed & (rng.random(allowed.shape) < share))).ravel()
        model = CatBoostClassifier(loss_function="Logloss", **OPTIONS)
        return cls(model.fit(candidates.features[shown], given.ravel()[shown]), float(np.log(share)))

    def chance(self, matrix: np.ndarray) -> np.ndarray:
        """(n,) of being given where it is eligible, for each candidate; not yet summing to one over a decision."""
        if self.model is None:
            return np.ones(len(matrix))
        pool = Pool(matrix, thread_count=1)
        log_odds = self.model.predict(pool, prediction_type="RawFormulaVal", thread_count=1) + self.log_share
        return np.asarray(1 / (1 + np.exp(-log_odds)))
