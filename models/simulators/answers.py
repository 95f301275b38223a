"""What comes back after a content: whole answers of the log, drawn where the predicted F is alike.

Predictive mean matching (Little 1988, Journal of Business & Economic Statistics
6:287): the mean of F is predicted for a patient and a content, and the answer
is that of one of the sessions with the same content whose own prediction is
nearest. Whatever columns F is made of, with their noise, their dependence,
their gaps and delays, come as they came. The mean of F over those sessions is
then the simulator's truth, exactly.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from catboost import CatBoostRegressor, Pool

from models.simulators.log import Log

WINDOW_PER_ROOT = 2.0  # sessions drawn from: this times the root of how often the content was given …
WINDOW_LEAST, WINDOW_MOST = 10, 100  # … within these
NEVER = np.iinfo(np.int64).min
OPTIONS: dict[str, Any] = {
    "iterations": 100,
    "depth": 4,
    "learning_rate": 0.1,
    "l2_leaf_reg": 5,
    "border_count": 32,
    "random_seed": 7,
    "thread_count": -1,
    "allow_writing_files": False,
    "verbose": False,
}


@dataclass(frozen=True)
class Answers:
    """The answers of the log in order of content and predicted F.

    Attributes:
        models: each fitted on one half of the patients; a session's own
            prediction is by the one that has not seen its patient.
        temper: (n_users,) what each patient's F lies above the prediction, shrunk by how much there is of it.
        starts: (n_contents + 1,) where each content's answers begin.
        key: (n,) predicted F with the patient's temper, rising within a content.
        value: (n,) F, NaN where it is left out.
        known_after: (n,) µs until F, or its absence, was known.
        came_after: (n,) µs until feedback came, ``NEVER`` where none did.
        columns: n rows of the F columns.
    """

    models: tuple[CatBoostRegressor, ...]
    temper: np.ndarray
    starts: np.ndarray
    key: np.ndarray
    value: np.ndarray
    known_after: np.ndarray
    came_after: np.ndarray
    columns: pl.DataFrame

    @classmethod
    def fit(cls, log: Log) -> Self | None:
        """From all sessions whose F, or its absence, was known when the log ended; None without feedback."""
        if log.therapy.feedback is None:
            return None
        has_value = log.is_due & ~np.isnan(log.value)
        half = np.random.default_rng(0).permutation(log.enrolled_at.size)[log.user] % 2
        models = tuple(_fit(log, has_value & (half != seen)) for seen in (0, 1))
        predicted = np.choose(half, [model.predict(log.matrix) for model in models])
        temper = _temper(log, np.where(has_value, log.value - predicted, np.nan))
        key = predicted + temper[log.user]
        order = np.lexsort((key, log.place))
        order = order[log.is_due[order]]
        sessions = log.tables.sessions[log.rows[order]]
        came_after = (sessions["feedback_at"] - sessions["decided_at"]).dt.total_microseconds().fill_null(NEVER)
        return cls(
            models=models,
            temper=temper,
            starts=np.searchsorted(log.place[order], np.arange(log.tables.contents.height + 1)),
            key=key[order],
            value=log.value[order],
            known_after=log.known_after[order],
            came_after=came_after.to_numpy(),
            columns=_without_words(log, sessions),
        )

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        """(n,) F as predicted from features, before a patient's temper."""
        pool = Pool(matrix, thread_count=1)
        return np.mean([model.predict(pool, thread_count=1) for model in self.models], axis=0)

    def windows(self, predicted: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,), (n,) first and past the last of the answers alike."""
        begin, end = self.starts[place], self.starts[place + 1]
        many = end - begin
        size = np.clip(WINDOW_PER_ROOT * np.sqrt(many), WINDOW_LEAST, WINDOW_MOST).astype(int).clip(max=many)
        at = np.empty(predicted.size, dtype=np.int64)
        for one in np.unique(place):
            rows = place == one
            at[rows] = np.searchsorted(self.key[self.starts[one] : self.starts[one + 1]], predicted[rows])
        first = begin + np.clip(at - size // 2, 0, many - size)
        return first, first + size

    def expected(self, predicted: np.ndarray, place: np.ndarray) -> np.ndarray:
        """(n,) the mean of F of what ``draw`` draws; NaN where none of it has one."""
        first, last = self.windows(predicted, place)
        counts, sums = self._cumulated
        count = counts[last] - counts[first]
        return np.divide(sums[last] - sums[first], count, out=np.full(count.size, np.nan), where=count > 0)

    def draw(self, rng: np.random.Generator, predicted: np.ndarray, place: np.ndarray) -> np.ndarray:
        """(n,) which answer each gets."""
        first, last = self.windows(predicted, place)
        return first + (rng.random(place.size) * (last - first)).astype(np.int64)

    @property
    def _cumulated(self) -> tuple[np.ndarray, np.ndarray]:
        known = ~np.isnan(self.value)
        return np.append(0, known.cumsum()), np.append(0.0, np.where(known, self.value, 0.0).cumsum())


def _fit(log: Log, rows: np.ndarray) -> CatBoostRegressor:
    value = log.value[rows]
    if np.unique(value).size < 2:  # nothing to learn: CatBoost refuses a target that does not vary
        rows = np.flatnonzero(~np.isnan(log.value))
        value = log.value[rows]
    return CatBoostRegressor(loss_function="RMSE", **OPTIONS).fit(log.matrix[rows], value)


def _temper(log: Log, residual: np.ndarray) -> np.ndarray:
    """(n_users,) the mean residual of each patient, shrunk by the share of it that is not chance (empirical Bayes)."""
    known, n_users = ~np.isnan(residual), log.enrolled_at.size
    user, residual = log.user[known], residual[known]
    counts = np.bincount(user, minlength=n_users)
    mean = np.bincount(user, weights=residual, minlength=n_users) / np.maximum(counts, 1)
    within = np.sum((residual - mean[user]) ** 2) / max(user.size - np.count_nonzero(counts), 1)
    chance = within / np.maximum(counts, 1)
    between = max(float(np.var(mean[counts > 0]) - np.mean(chance[counts > 0])), 0.0) if user.size else 0.0
    return mean * between / (between + chance + 1e-12)


def _without_words(log: Log, sessions: pl.DataFrame) -> pl.DataFrame:
    """The F columns; words, embeddings and pictures are a patient's own and stay out."""
    assert log.therapy.feedback
    columns = log.therapy.feedback.columns
    kept = {"number", "category", "boolean"}
    return sessions.select(
        pl.col(name) if column.kind in kept else pl.lit(None, dtype=column.dtype).alias(name)
        for name, column in columns.items()
    )
