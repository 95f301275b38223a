"""The best that can be known: predictions and choices of whoever knows the mechanism and reads what is recorded."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import polars as pl

from posology.simulators.belief import Belief
from posology.simulators.policies import Moment
from posology.simulators.simulator import Simulator
from posology.simulators.truth import counted_feedback
from posology.tables import Tables
from posology.therapy import Therapy


def informed_feedback(therapy: Therapy, tables: Tables, *, particles: int = 500, seed: int = 0) -> np.ndarray:
    """(n_sessions, n_contents) the mean of F that could be known before each session, in the order of the table.

    What of the truth is explainable: no prediction from recorded courses can
    come nearer to the true mean of F, but for what is written in words and in
    U columns that are not numbers, which are not read here.

    Args:
        therapy: one that has a mechanism.
        tables: of a cohort simulated under ordinary conditions.
        particles: of the filter, for each patient.
        seed: of the filter.
    """
    belief, reader = Belief(therapy, tables, particles=particles, seed=seed), _Reader(therapy, tables)
    found = np.full((tables.sessions.height, tables.contents.height), np.nan)
    for measurements, sessions in reader.rounds(tables):
        _read_measurements(belief, measurements)
        if sessions.is_empty():
            continue
        patients = sessions["patient"].to_numpy()
        belief.met(patients, sessions["day"].to_numpy(), sessions)
        found[sessions["row"].to_numpy()] = belief.expected_feedback(patients)
        _read_sessions(belief, sessions)
    return found


@dataclass(frozen=True)
class Informed:
    """Gives the eligible content with the largest mean of F that can be known; made for one treatment.

    What a policy that learns from records can hope for: the ``Oracle`` knows
    more than is recorded.
    """

    learns: ClassVar[bool] = False
    particles: int = 500
    seed: int = 0
    _follower: "list[_Follower]" = field(default_factory=list, init=False, repr=False, compare=False)

    def probabilities(self, rng: np.random.Generator, simulator: Simulator, moment: Moment) -> np.ndarray:  # noqa: ARG002
        """(n, n_contents) 1 for the best."""
        if not self._follower:
            self._follower.append(_Follower(simulator, self.particles, self.seed))
        expected = self._follower[0].expected_feedback(moment)
        return np.eye(expected.shape[1])[np.where(moment.eligible, expected, -np.inf).argmax(axis=1)]


class _Follower:
    """A belief kept up with what is recorded while patients are treated."""

    def __init__(self, simulator: Simulator, particles: int, seed: int) -> None:
        nothing = Tables.from_rows(simulator.therapy)
        start = Tables(simulator.users, nothing.measurements, simulator.contents, nothing.sessions)
        self._belief = Belief(simulator.therapy, start, particles=particles, seed=seed)
        self._reader = _Reader(simulator.therapy, start)

    def expected_feedback(self, moment: Moment) -> np.ndarray:
        """(n, n_contents) of the patients who have opened the app."""
        for measurements, sessions in self._reader.rounds(moment.known()):
            _read_measurements(self._belief, measurements)
            _read_sessions(self._belief, sessions)  # they were met when they were decided
        now = self._reader.placed(moment.situations)
        self._belief.met(moment.patients, now["day"].to_numpy(), now)
        return self._belief.expected_feedback(moment.patients)


class _Reader:
    """Gives what is recorded in order of time, each event once, with ``patient`` (number) and ``day`` of enrolment."""

    def __init__(self, therapy: Therapy, tables: Tables) -> None:
        self._therapy, self._contents = therapy, pl.Enum(tables.contents["content_id"])
        self._users = tables.users.select("user_id", "enrolled_at").with_row_index("patient")
        self._seen = np.zeros(tables.users.height, dtype=int)

    def rounds(self, tables: Tables) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """What was not given yet: every patient's next event, then the one after it, as measurements and sessions."""
        events = self._events(tables)
        patient, nth = events["patient"].to_numpy(), events["nth"].to_numpy()
        new = events.with_columns(turn=nth - self._seen[patient]).filter(pl.col("turn") >= 0)
        np.maximum.at(self._seen, patient, nth + 1)
        for turn in new.sort("turn", "patient").partition_by("turn", maintain_order=True):
            is_session = pl.col("row").is_not_null()
            yield turn.filter(~is_session), turn.filter(is_session)

    def placed(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows with ``user_id`` and ``decided_at``, in their order, with ``patient`` and ``day``."""
        found = rows.join(self._users, on="user_id", how="left", maintain_order="left")
        days = pl.col("decided_at").dt.date() - pl.col("enrolled_at").dt.date()
        return found.with_columns(pl.col("patient").cast(pl.Int64), day=days.dt.total_days().cast(pl.Float64))

    def _events(self, tables: Tables) -> pl.DataFrame:
        sessions = tables.sessions.with_row_index("row").with_columns(
            value=counted_feedback(self._therapy, tables.sessions),
            content=pl.col("content_id").cast(self._contents).to_physical().cast(pl.Int64),
        )
        measured = tables.measurements.rename({"measured_at": "decided_at"})
        events = self.placed(pl.concat([measured, sessions], how="diagonal")).sort("decided_at", maintain_order=True)
        return events.with_columns(nth=pl.int_range(pl.len()).over("patient"))


def _read_measurements(belief: Belief, rows: pl.DataFrame) -> None:
    if rows.height:
        belief.measured(*(rows[name].to_numpy() for name in ("patient", "day", "score")))


def _read_sessions(belief: Belief, rows: pl.DataFrame) -> None:
    if rows.height:
        belief.gave(rows["patient"].to_numpy(), rows["content"].to_numpy(), rows, rows["value"].to_numpy())
