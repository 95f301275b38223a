"""What only a simulator knows: mean F of every content, the best one, the noise nothing can predict."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from posology.errors import CannotDo
from posology.tables import Tables
from posology.therapy import Therapy


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


@dataclass(frozen=True)
class Truth:
    """What nobody can measure.

    Attributes:
        decisions: one row per session: ``decision_id``, ``contents`` (ids in the order of the
            contents table), ``expected_feedback`` (the mean of F for each of them, with the
            chance that none comes in time), ``true_status`` before the decision, ``probability``
            (the chance of the content that was given, given all that moved the choice, written
            or not), ``probability_recorded`` (given what is recorded), ``oracle`` (id of the
            eligible content with the largest mean F), and the mean F of what was given, of any
            eligible content and of the oracle's: ``given_feedback``, ``uniform_feedback``,
            ``oracle_feedback``.
        patients: ``user_id``, ``status_at_start``, ``status_at_end`` (at the final
            measurement; null without one), ``status_at_end_of_all`` (on that day, whether
            the patient came or not).
        noise: what even the best prediction misses.
    """

    decisions: pl.DataFrame
    patients: pl.DataFrame
    noise: NoiseFloor

    def summary(self) -> dict[str, dict[str, float | None]]:
        """Mean true F of what was given, of chance and of the oracle; mean true status; noise floors.

        ``feedback.given`` and ``status`` are the value of the policy that treated
        the cohort, with all it made of its patients; chance and oracle are taken
        decision by decision as they were met. Treat the same world by another
        policy to have that one's value.
        """
        decisions = {name: self.decisions[f"{name}_feedback"].mean() for name in ("given", "uniform", "oracle")}
        ended = self.patients.drop_nulls("status_at_end_of_all")
        status = {"start": ended["status_at_start"].mean(), "end": ended["status_at_end_of_all"].mean()}
        noise = {"feedback": self.noise.feedback, "status": self.noise.status}
        return {"feedback": _numbers(decisions), "status": _numbers(status), "noise": noise}


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


def noise_floor(therapy: Therapy, tables: Tables, decisions: pl.DataFrame, patients: pl.DataFrame) -> NoiseFloor:
    """How far what was recorded lies from its true mean; ``decisions`` and ``patients`` as in ``Truth``."""
    return NoiseFloor(_feedback_floor(therapy, tables, decisions), _status_floor(tables, patients))


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


def _feedback_floor(therapy: Therapy, tables: Tables, decisions: pl.DataFrame) -> float | None:
    rows = tables.sessions.select("decision_id", value=counted_feedback(therapy, tables.sessions))
    rows = rows.drop_nulls("value").join(decisions.select("decision_id", "given_feedback"), on="decision_id")
    return rows.select(((pl.col("value") - pl.col("given_feedback")) ** 2).mean()).item()


def _status_floor(tables: Tables, patients: pl.DataFrame) -> float | None:
    final = tables.measurements.group_by("user_id").agg(pl.col("score").sort_by("measured_at").last())
    rows = patients.drop_nulls("status_at_end").join(final, on="user_id")
    return rows.select(((pl.col("score") - pl.col("status_at_end")) ** 2).mean()).item()


def _numbers(means: Mapping[str, Any]) -> dict[str, float | None]:
    return {name: None if mean is None or np.isnan(mean) else float(mean) for name, mean in means.items()}
