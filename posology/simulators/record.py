"""What happens in a simulator, written down as it happens."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from posology.simulators.cohort import Cohort
from posology.simulators.simulator import Simulator
from posology.simulators.truth import Truth, counted_feedback, noise_floor
from posology.tables import Tables, schema_of


@dataclass(frozen=True)
class Decisions:
    """A day's n decisions and what came of them.

    Attributes:
        patients: (n,)
        contents: (n,) what was given.
        situations: in which; one row each.
        eligible: (n, n_contents)
        recorded: (n,) chance of what was given, given what is recorded.
        true: (n,) its chance given all.
        expected: (n, n_contents) true mean of F.
        status: (n,) true status before.
        given: ``feedback_at`` and F columns, one row each.
    """

    patients: np.ndarray
    contents: np.ndarray
    situations: pl.DataFrame
    eligible: np.ndarray
    recorded: np.ndarray
    true: np.ndarray
    expected: np.ndarray
    status: np.ndarray
    given: pl.DataFrame

    @cached_property
    def oracle(self) -> np.ndarray:
        """(n,) the eligible content with the largest mean F."""
        return np.where(self.eligible, self.expected, -np.inf).argmax(axis=1)

    @cached_property
    def means(self) -> np.ndarray:
        """(3, n) mean F of what was given, of any eligible content and of the oracle's."""
        rows = np.arange(len(self.patients))
        chance = np.einsum("nm,nm->n", self.expected, self.eligible) / self.eligible.sum(axis=1)
        return np.stack([self.expected[rows, self.contents], chance, self.expected[rows, self.oracle]])


class Record:
    """Gathers what happens to a simulator's patients.

    Attributes:
        given: (n_patients,) contents each was given so far.
    """

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        n, m = simulator.users.height, simulator.contents.height
        self.given = np.zeros(n, dtype=int)
        self._status = simulator.true_status(np.arange(n)), np.full(n, np.nan), np.full(n, np.nan)
        self._measurements: list[pl.DataFrame] = []
        self._days: list[Decisions] = []
        self._nth: list[np.ndarray] = []
        self._counted, self._feedback_sums = 0, np.zeros((2, m))

    def measure(self, day: int) -> None:
        """Everyone due to be measured is; the truth looks also at those who do not come."""
        simulator, everyone = self._simulator, np.arange(len(self.given))
        patients = simulator.to_measure(day)
        _, measured, final = self._status
        ends = everyone[simulator.is_final_visit(everyone)]
        final[ends] = simulator.true_status(ends)
        if len(patients):
            comes = np.intersect1d(ends, patients)
            measured[comes] = final[comes]
            self._measurements.append(simulator.measurements(patients, day))

    def add(self, decisions: Decisions) -> None:
        """Write down a day's decisions."""
        self._days.append(decisions)
        _ = decisions.means  # worked out while the day's arrays are at hand
        self._nth.append(self.given[decisions.patients])
        self.given[decisions.patients] += 1

    def content_feedback(self) -> np.ndarray:
        """(n_contents,) mean F that each content brought so far; NaN where none."""
        for day in self._days[self._counted :]:
            value = counted_feedback(self._simulator.therapy, _answered(day)).to_numpy()
            known = ~np.isnan(value)
            np.add.at(self._feedback_sums[0], day.contents[known], value[known])
            np.add.at(self._feedback_sums[1], day.contents[known], 1)
        self._counted = len(self._days)
        total, count = self._feedback_sums
        return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)

    def known(self, patients: np.ndarray) -> Tables:
        """The tables as recorded so far, of these patients."""
        return self._tables(self._simulator.users[patients], self._simulator.users["user_id"][patients])

    def cohort(self, *, withhold_propensities: bool) -> Cohort:
        """All that was gathered."""
        tables, decisions, patients = self._tables(self._simulator.users, None), self._decisions(), self._patients()
        truth = Truth(decisions, patients, noise_floor(self._simulator.therapy, tables, decisions, patients))
        if withhold_propensities:
            sessions = tables.sessions.with_columns(probability=pl.lit(None, dtype=pl.Float64))
            tables = Tables(tables.users, tables.measurements, tables.contents, sessions)
        return Cohort(tables, truth)

    def _tables(self, users: pl.DataFrame, only: pl.Series | None) -> Tables:
        therapy, simulator = self._simulator.therapy, self._simulator
        frames = {
            "users": users,
            "measurements": _concat([pl.DataFrame(schema=schema_of("measurements", therapy)), *self._measurements]),
            "contents": simulator.contents,
            "sessions": self._sessions(),
        }
        if only is not None:
            for name in ("measurements", "sessions"):
                frames[name] = frames[name].filter(pl.col("user_id").is_in(only.implode()))
        return Tables.conform(therapy, frames)

    def _sessions(self) -> pl.DataFrame:
        therapy, ids = self._simulator.therapy, self._simulator.contents["content_id"]
        if not self._days:
            return pl.DataFrame(schema=schema_of("sessions", therapy))
        days = self._days
        context = _concat([day.situations.select("user_id", "decided_at", *therapy.context) for day in days])
        return context.hstack(_concat([day.given for day in days])).with_columns(
            self._decision_ids(),
            content_id=ids.gather(np.concatenate([day.contents for day in days])),
            eligible=_id_lists(ids, np.concatenate([day.eligible for day in days])),
            probability=np.concatenate([day.recorded for day in days]),
        )

    def _decision_ids(self) -> pl.Series:
        """User and number of the content, one for each session."""
        patients = np.concatenate([np.zeros(0, dtype=int), *(day.patients for day in self._days)])
        numbers = pl.Series(np.concatenate([np.zeros(0, dtype=int), *self._nth])).cast(pl.String).str.zfill(4)
        return (self._simulator.users["user_id"].gather(patients) + "-" + numbers).alias("decision_id")

    def _decisions(self) -> pl.DataFrame:
        ids, days = self._simulator.contents["content_id"], self._days
        names, m = pl.Enum(ids), len(ids)
        expected = np.concatenate([np.zeros((0, m)), *(day.expected for day in days)])
        given, chance, best = np.concatenate([np.zeros((3, 0)), *(day.means for day in days)], axis=1)
        oracle = np.concatenate([np.zeros(0, dtype=int), *(day.oracle for day in days)])
        order = pl.lit(pl.Series([ids.to_list()], dtype=pl.List(names))).first().alias("contents")
        found = pl.DataFrame(
            {
                "decision_id": self._decision_ids(),
                "expected_feedback": pl.Series(expected, dtype=pl.Array(pl.Float64, m)).arr.to_list(),
                "true_status": np.concatenate([np.zeros(0), *(day.status for day in days)]),
                "probability": np.concatenate([np.zeros(0), *(day.true for day in days)]),
                "probability_recorded": np.concatenate([np.zeros(0), *(day.recorded for day in days)]),
                "oracle": ids.cast(names).gather(oracle),
                "given_feedback": given,
                "uniform_feedback": chance,
                "oracle_feedback": best,
            }
        )
        return found.select("decision_id", order, pl.exclude("decision_id")).sort("decision_id")

    def _patients(self) -> pl.DataFrame:
        start, measured, final = self._status
        return pl.DataFrame(
            {
                "user_id": self._simulator.users["user_id"],
                "status_at_start": start,
                "status_at_end": pl.Series(measured).fill_nan(None),
                "status_at_end_of_all": pl.Series(final).fill_nan(None),
            }
        )


def _answered(day: Decisions) -> pl.DataFrame:
    return day.situations.select("decided_at").hstack(day.given)


def _concat(frames: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(frames, how="diagonal_relaxed")


def _id_lists(ids: pl.Series, chosen: np.ndarray) -> pl.Series:
    """For each row of booleans (n, n_ids), the ids that are true; each different row is made once."""
    packed = np.packbits(chosen, axis=1)
    _, first, which = np.unique(packed.view(f"V{packed.shape[1]}")[:, 0], return_index=True, return_inverse=True)
    lists = [ids.filter(pl.Series(row)).to_list() for row in chosen[first]]
    return pl.Series(lists, dtype=pl.List(pl.String)).gather(which)
