"""What comes back after a content: the feedback columns, and F as a therapy computes it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from posology.errors import TherapyError
from posology.simulators.mechanism import Answer
from posology.therapy import Column, Feedback, Therapy


@dataclass(frozen=True)
class Drawn:
    """What n patients answered.

    Attributes:
        came: (n,) whether feedback comes at all.
        columns: each (n,) of an F column that is not text; meaningless where nothing came.
        value: (n,) F of the columns.
    """

    came: np.ndarray
    columns: Mapping[str, np.ndarray]
    value: np.ndarray


class Feedbacks:
    """Draws the F columns of a therapy, and knows the mean of F.

    Raises:
        TherapyError: a column has no ``Answer``, or F is not a sum of columns with weights:
            only then is the mean of F the F of the means.
    """

    def __init__(self, therapy: Therapy, answers: Mapping[str, Answer], silence: Answer, late_share: float) -> None:
        if therapy.feedback is None:
            raise TherapyError(f"therapy {therapy.name}: a simulation needs feedback, which is not declared")
        self._feedback = therapy.feedback
        self._answers = answers
        self._silence, self._late_share = silence, late_share
        _check_columns(therapy, self._feedback, answers)
        self._intercept, self._weights = _weights(self._feedback, answers)

    def expected(self, appeal: np.ndarray) -> np.ndarray:
        """Mean of F for each appeal, with the chance that no feedback comes in time."""
        answered = np.full(appeal.shape, self._intercept)
        for name, weight in self._weights.items():
            answered += weight * self._answers[name].share(appeal)
        if self._feedback.missing is None:
            return answered
        in_time = (1 - self._silence.share(appeal)) * (1 - self._late_share)
        return in_time * answered + (1 - in_time) * self._feedback.missing

    def draw(self, rng: np.random.Generator, appeal: np.ndarray) -> Drawn:
        """An answer for each appeal."""
        came = rng.random(len(appeal)) >= self._silence.share(appeal)
        columns = {
            name: _draw_column(rng, self._feedback.columns[name], answer, appeal)
            for name, answer in self._answers.items()
        }
        return Drawn(came, columns, self._value(columns))

    def worth(self, drawn: Drawn) -> np.ndarray:
        """(n,) F; what missing feedback is worth where none came, NaN where it is left out."""
        missing = np.nan if self._feedback.missing is None else self._feedback.missing
        return np.where(drawn.came, drawn.value, missing)

    def _value(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        shares = {name: _share_of(self._feedback.columns[name], drawn) for name, drawn in columns.items()}
        return np.asarray(self._intercept + sum(weight * shares[name] for name, weight in self._weights.items()))


def _check_columns(therapy: Therapy, feedback: Feedback, answers: Mapping[str, Answer]) -> None:
    declared = {name: column for name, column in feedback.columns.items() if column.kind != "text"}
    if set(declared) != set(answers):
        raise TherapyError(
            f"therapy {therapy.name}: its mechanism answers {', '.join(answers)}; declared is {', '.join(declared)}"
        )


def _weights(feedback: Feedback, answers: Mapping[str, Answer]) -> tuple[float, dict[str, float]]:
    """F as intercept plus weight × share of each column's range."""
    kinds = {name: feedback.columns[name] for name in answers}
    at_least = _value(feedback, {name: _at_share(column, 0.0) for name, column in kinds.items()})
    weights = {
        name: _value(feedback, {**{n: _at_share(c, 0.0) for n, c in kinds.items()}, name: _at_share(column, 1.0)})
        - at_least
        for name, column in kinds.items()
    }
    corner = {name: 1.0 if column.kind == "boolean" else 0.37 for name, column in kinds.items()}
    found = _value(feedback, {name: _at_share(column, corner[name]) for name, column in kinds.items()})
    if abs(found - at_least - sum(weights[name] * corner[name] for name in kinds)) > 1e-9:
        raise TherapyError(f"expected feedback.value to be a weighted sum of columns, got {feedback.value!r}")
    return at_least, weights


def _at_share(column: Column, share: float) -> float | bool:
    if column.kind == "boolean":
        return share >= 0.5
    low, high = _range(column)
    return low + share * (high - low)


def _share_of(column: Column, drawn: np.ndarray) -> np.ndarray:
    """Where in its range each drawn value lies, 0 to 1."""
    if column.kind == "boolean":
        return drawn.astype(float)
    low, high = _range(column)
    return (drawn - low) / (high - low)


def _value(feedback: Feedback, row: Mapping[str, float | bool]) -> float:
    schema = {name: column.dtype for name, column in feedback.columns.items()}
    frame = pl.DataFrame([{name: row.get(name) for name in schema}], schema=schema)
    return float(frame.select(feedback.expression).item())


def _range(column: Column) -> tuple[float, float]:
    if column.minimum is None or column.maximum is None:
        raise TherapyError("a number that is simulated needs a minimum and a maximum")
    return column.minimum, column.maximum


def _draw_column(rng: np.random.Generator, column: Column, answer: Answer, appeal: np.ndarray) -> np.ndarray:
    share = answer.share(appeal)
    if column.kind == "boolean":
        return rng.random(len(share)) < share
    low, high = _range(column)
    if answer.steps:
        return low + (high - low) * rng.binomial(answer.steps, share) / answer.steps
    drawn = rng.beta(answer.precision * share, answer.precision * (1 - share))
    return np.round(low + (high - low) * drawn, 1)
