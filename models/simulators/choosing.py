"""How contents were chosen in the log: the chance of each, as a classifier tells given from not given."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from catboost import CatBoostClassifier, Pool

from models.simulators.answers import OPTIONS, Answers
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
    def fit(cls, log: Log, answers: Answers | None, rng: np.random.Generator) -> Self:
        """From a sample of the log's decisions, with all that was eligible in each.

        It sees the predicted F of every candidate too: whoever chose may have known what works.
        """
        n_contents = log.tables.contents.height
        if n_contents < 2:
            return cls(None, 0.0)
        sample = np.sort(rng.permutation(log.rows.size)[: max(MOST_CANDIDATES // n_contents, 100)])
        candidates = log.features.of_candidates(log.tables, log.rows[sample])
        allowed = blocks(log.therapy, log.tables.contents, candidates.situations, candidates.recent).eligible
        given = log.place[sample, None] == np.arange(n_contents)
        share = min(NOT_GIVEN / max(float(allowed.sum(axis=1).mean()), 1.0), 1.0)
        promise = None if answers is None else answers.predict(candidates.features).reshape(given.shape)
        matrix = with_promise(candidates.features, promise)
        shown = (given | (allowed & (rng.random(allowed.shape) < share))).ravel()
        model = CatBoostClassifier(loss_function="Logloss", **OPTIONS)
        return cls(model.fit(matrix[shown], given.ravel()[shown]), float(np.log(share)))

    def chance(self, matrix: np.ndarray) -> np.ndarray:
        """(n,) of being given where it is eligible, for each row of ``with_promise``; not yet summing to one."""
        if self.model is None:
            return np.ones(len(matrix))
        pool = Pool(matrix, thread_count=1)
        log_odds = self.model.predict(pool, prediction_type="RawFormulaVal", thread_count=1) + self.log_share
        return np.asarray(1 / (1 + np.exp(-log_odds)))


def with_promise(matrix: np.ndarray, promise: np.ndarray | None) -> np.ndarray:
    """(n * n_contents, n_features + 1) features, and what each candidate's predicted F is above the decision's mean.

    Args:
        matrix: (n * n_contents, n_features)
        promise: (n, n_contents) predicted F; None without feedback.
    """
    if promise is None:
        return matrix
    return np.column_stack([matrix, (promise - promise.mean(axis=1, keepdims=True)).ravel()])
