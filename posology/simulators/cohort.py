"""A simulated cohort: the four tables, and what only a simulator knows."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from posology.files import whole_folder
from posology.simulators.clinician import Clinician
from posology.simulators.policies import Moment, Policy, draw
from posology.simulators.simulator import Simulator
from posology.simulators.world import World
from posology.tables import Tables, schema_of
from posology.therapy import Therapy

ENROLMENT_WEEKS = 32


@dataclass(frozen=True)
class Truth:
    """What nobody can measure.

    Attributes:
        decisions: one row per session: ``decision_id``, ``contents`` (ids in the order of the
            contents table), ``expected_feedback`` (the mean of F for each of them, with the
            chance that none comes), ``true_status`` before the decision.
        patients: ``user_id``, ``status_at_start``, ``status_at_end`` (at the final
            measurement; null without one).
    """

    decisions: pl.DataFrame
    patients: pl.DataFrame


@dataclass(frozen=True)
class Cohort:
    """Simulated tables and their truth."""

    tables: Tables
    truth: Truth

    def write(self, folder: Path) -> None:
        """The four tables, and ``truth/truth.parquet`` and ``truth/patients.parquet`` beside them."""
        with whole_folder(folder) as partial:
            self.tables.write(partial / "tables")
            for file in sorted((partial / "tables").iterdir()):
                file.rename(partial / file.name)
            (partial / "tables").rmdir()
            (partial / "truth").mkdir()
            self.truth.decisions.write_parquet(partial / "truth" / "truth.parquet", compression="zstd")
            self.truth.patients.write_parquet(partial / "truth" / "patients.parquet", compression="zstd")


def simulate(
    therapy: Therapy,
    *,
    patients: int,
    seed: int,
    weeks: int | None = None,
    policy: Policy | None = None,
    prefix: str | None = None,
) -> Cohort:
    """A cohort of mechanistic patients; the same seed gives the same tables.

    Args:
        therapy: one that has a mechanism (mci, depression, tinnitus).
        patients: how many enrol.
        seed: of everything.
        weeks: over which they enrol; 32 when not given.
        policy: who chooses; the ordinary clinician when not given.
        prefix: of the ids; the therapy's name when not given.
    """
    enrolment_days = 7 * (ENROLMENT_WEEKS if weeks is None else weeks)
    world = World(therapy, patients=patients, seed=seed, prefix=prefix, enrolment_days=enrolment_days)
    return treat(world, policy or Clinician(), seed=seed)


def treat(simulator: Simulator, policy: Policy, *, seed: int) -> Cohort:
    """The cohort of a simulator's patients from the first day to the last, treated by a policy.

    Args:
        simulator: one in which nothing has happened yet.
        policy: who chooses.
        seed: of what the policy draws.
    """
    course = _Course(simulator, policy, np.random.default_rng([seed, 1]))
    for day in range(simulator.last_day + 1):
        course.measure(day)
        course.treat(day)
    return course.cohort()


class _Course:
    """Gathers what happens in a simulator."""

    def __init__(self, simulator: Simulator, policy: Policy, rng: np.random.Generator) -> None:
        self._world, self._policy, self._rng = simulator, policy, rng
        n = simulator.users.height
        self._status_at_start = simulator.true_status(np.arange(n))
        self._status_at_end = np.full(n, np.nan)
        self._taken = np.zeros(n, dtype=int)
        self._measurements: list[pl.DataFrame] = []
        self._sessions: list[pl.DataFrame] = []
        self._truths: list[pl.DataFrame] = []

    def measure(self, day: int) -> None:
        """Everyone due to be measured is."""
        patients = self._world.to_measure(day)
        if not len(patients):
            return
        self._measurements.append(self._world.measurements(patients, day))
        final = patients[self._world.is_final_visit(patients)]
        self._status_at_end[final] = self._world.true_status(final)

    def treat(self, day: int) -> None:
        """Everyone who opens the app gets a content."""
        world, patients = self._world, self._world.due(day)
        if not len(patients):
            return
        situations = world.situations(patients, day)
        eligible = world.blocks(patients, situations).eligible
        probabilities = self._policy.probabilities(self._rng, world, Moment(day, patients, situations, eligible))
        contents = draw(self._rng, probabilities)
        decision_id = pl.Series(
            [f"{user_id}-{nth:04d}" for user_id, nth in zip(situations["user_id"], self._taken[patients], strict=True)]
        )
        self._taken[patients] += 1
        self._truths.append(
            pl.DataFrame(
                {
                    "decision_id": decision_id,
                    "expected_feedback": pl.Series(world.expected_feedback(patients)).arr.to_list(),
                    "true_status": world.true_status(patients),
                }
            )
        )
        context = situations.select(pl.exclude(set(world.users.columns) - {"user_id"}))
        self._sessions.append(
            context.with_columns(
                decision_id=decision_id,
                content_id=world.contents["content_id"].gather(contents),
                eligible=_id_lists(world.contents["content_id"], eligible),
                probability=pl.Series(probabilities[np.arange(len(patients)), contents]),
            ).hstack(world.give(patients, contents))
        )

    def cohort(self) -> Cohort:
        """All that was gathered."""
        world, therapy = self._world, self._world.therapy
        tables = Tables.conform(
            therapy,
            {
                "users": world.users,
                "measurements": _gathered("measurements", self._measurements, therapy),
                "contents": world.contents,
                "sessions": _gathered("sessions", self._sessions, therapy),
            },
        )
        return Cohort(tables, Truth(self._decisions(), self._patients()))

    def _decisions(self) -> pl.DataFrame:
        ids = self._world.contents["content_id"]
        schema = pl.Schema(
            {"decision_id": pl.String(), "expected_feedback": pl.List(pl.Float64()), "true_status": pl.Float64()}
        )
        found = pl.concat([schema.to_frame(), *self._truths])
        order = pl.lit(pl.Series([ids.to_list()], dtype=pl.List(pl.Enum(ids)))).first().alias("contents")
        return found.select("decision_id", order, "expected_feedback", "true_status").sort("decision_id")

    def _patients(self) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "user_id": self._world.users["user_id"],
                "status_at_start": self._status_at_start,
                "status_at_end": pl.Series(self._status_at_end).fill_nan(None),
            }
        )


def _gathered(table: str, frames: list[pl.DataFrame], therapy: Therapy) -> pl.DataFrame:
    """The frames as one, empty with the table's columns when there is none."""
    return pl.concat([pl.DataFrame(schema=schema_of(table, therapy)), *frames], how="diagonal_relaxed")


def _id_lists(ids: pl.Series, chosen: np.ndarray) -> pl.Series:
    """For each row of booleans (n, n_ids), the ids that are true."""
    offsets = np.concatenate([[0], chosen.sum(axis=1).cumsum()]).astype(np.int64)
    names = ids.gather(np.nonzero(chosen)[1]).to_arrow()
    return pl.Series(pa.LargeListArray.from_arrays(offsets, names.cast(pa.large_string())))
