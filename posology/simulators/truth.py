"""What only a simulator knows: mean F of every content, the best one, the noise nothing can predict."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from posology.errors import CannotDo
from posology.tables import Tables
from posology.therapy import Therapy


@dataclass(frozen=True)
class Truth:
    """What nobody can measure.

    Attributes:
        decisions: one row per session: ``decision_id``, ``contents`` (ids in the order of the
            contents table), ``expected_feedback`` (the mean of F for each of them, with the
            chance that none comes in time), ``true_status`` before the decision, ``probability``
            (the chance of the content that was given, given all that moved the choice, written
            or not), ``probability_recorded`` (given what is recorded), ``oracle`` (id of the
            eligible content with the largest mean F) and ``oracle_feedback`` (that mean).
        patients: ``user_id``, ``status_at_start``, ``status_at_end`` (at the final
            measurement; null without one), ``status_at_end_of_all`` (on that day, whether
            the patient came or not).
    """

    decisions: pl.DataFrame
    patients: pl.DataFrame


def value_of(truth: Truth, probabilities: np.ndarray) -> float:
    """Mean true F of the truth's decisions, had a policy with these probabilities made each of them.

    Each decision is taken as it was met: what the policy would have made of
    the patients before is not in it. For that, ``treat`` the same world by it.

    Args:
        truth: of a cohort.
        probabilities: (n_decisions, n_contents) in the order of ``truth.decisions``.
    """
    expected = np.array(truth.decisions["expected_feedback"].to_list())
    if probabilities.shape != expected.shape:
        raise CannotDo(f"expected probabilities of shape {expected.shape}, got {probabilities.shape}")
    return float((probabilities * expected).sum(axis=1).mean())


@dataclass(frozen=True)
class NoiseFloor:
    """Mean squared error that the best possible prediction still makes; None where it cannot be told.

    Attributes:
        feedback: of F, by its true mean, where F counts.
        status: of Mf, by the true status at the time of the final measurement; of
            a prediction made before, also what happens in between is noise.
    """

    feedback: float | None
    status: float | None


def noise_floor(therapy: Therapy, tables: Tables, truth: Truth) -> NoiseFloor:
    """How far what was recorded lies from its true mean."""
    return NoiseFloor(_feedback_floor(therapy, tables, truth), _status_floor(tables, truth))


def counted_feedback(therapy: Therapy, sessions: pl.DataFrame) -> pl.Series:
    """F of each session, as it counts: what missing is worth where it did not come in time, null where left out."""
    feedback = therapy.feedback
    if feedback is None:
        return pl.Series([None] * sessions.height, dtype=pl.Float64)
    due = pl.duration(microseconds=round(feedback.due_hours * 3.6e9))
    in_time = (pl.col("feedback_at") - pl.col("decided_at") <= due).fill_null(value=False)
    return sessions.select(
        pl.when(in_time).then(feedback.expression).fill_null(pl.lit(feedback.missing, dtype=pl.Float64))
    ).to_series()


def _feedback_floor(therapy: Therapy, tables: Tables, truth: Truth) -> float | None:
    places = {content_id: place for place, content_id in enumerate(tables.contents["content_id"])}
    rows = tables.sessions.select("decision_id", "content_id", value=counted_feedback(therapy, tables.sessions))
    rows = rows.drop_nulls("value").join(truth.decisions.select("decision_id", "expected_feedback"), on="decision_id")
    given = pl.col("content_id").replace_strict(places, return_dtype=pl.Int64)
    error = pl.col("value") - pl.col("expected_feedback").list.get(given)
    return rows.select((error**2).mean()).item()


def _status_floor(tables: Tables, truth: Truth) -> float | None:
    final = tables.measurements.group_by("user_id").agg(pl.col("score").sort_by("measured_at").last())
    rows = truth.patients.drop_nulls("status_at_end").join(final, on="user_id")
    return rows.select(((pl.col("score") - pl.col("status_at_end")) ** 2).mean()).item()
