"""What a fidelity report looks at: held-out patients, and patients simulated without them."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from models.encode import encode
from models.simulators.fitted import Fitted
from models.simulators.log import MICROSECONDS_PER_DAY, Log
from models.simulators.moments import is_drawn
from models.simulators.world import FittedWorld
from posology.simulators import Clinician, treat
from posology.tables import Tables
from posology.therapy import Columns

AS_LOGGED = Clinician(trying=0.0)  # a fitted simulator's impression is how the log's contents were chosen
LEAST_SIMULATED, MOST_SIMULATED = 100, 600


@dataclass(frozen=True)
class Evidence:
    """A simulator fitted to some patients, the log of others, and the log of simulated ones.

    Attributes:
        fitted: to patients none of whom is held out.
        seen: the log of those patients.
        real: of held-out patients, contents the simulator knows.
        simulated: treated as the log's patients were, cut where the log ends.
    """

    fitted: Fitted
    seen: Log
    real: Log
    simulated: Log
    seed: int

    @classmethod
    def gather(cls, fitted: Fitted, seen: Tables, held_out: Tables, *, seed: int) -> "Evidence":
        """Simulate as many patients as are held out, within bounds."""
        patients = int(np.clip(held_out.users.height, LEAST_SIMULATED, MOST_SIMULATED))
        world = FittedWorld(fitted, patients=patients, seed=seed)
        lived = treat(world, AS_LOGGED, seed=seed).tables
        therapy, contents = fitted.log.therapy, fitted.log.tables.contents
        return cls(
            fitted=fitted,
            seen=Log.of(therapy, seen, contents=contents),
            real=Log.of(therapy, held_out, contents=contents),
            simulated=Log.of(therapy, _until_the_log_ends(fitted, lived), contents=contents),
            seed=seed,
        )

    @property
    def patients(self) -> int:
        """Held out, with sessions."""
        return int(np.unique(self.real.user).size)

    def rng(self, code: str) -> np.random.Generator:
        """The same for the same seed and question."""
        return np.random.default_rng([self.seed, *code.encode()])


@dataclass(frozen=True)
class Series:
    """One column of a log in order of time: ``patient`` (n,), ``values`` (n,), NaN where missing.

    ``is_ordered`` tells numbers from categories, whose values are codes.
    """

    name: str
    patient: np.ndarray
    values: np.ndarray
    is_ordered: bool = True

    @property
    def known(self) -> "Series":
        """Without what is missing."""
        is_known = ~np.isnan(self.values)
        return Series(self.name, self.patient[is_known], self.values[is_known], self.is_ordered)


def feedback_series(log: Log) -> list[Series]:
    """F, whether and after how many hours feedback came, and each F column that is simulated."""
    if log.therapy.feedback is None:
        return []
    sessions = log.tables.sessions[log.rows]
    delay = (sessions["feedback_at"] - sessions["decided_at"]).dt.total_seconds().cast(pl.Float64).to_numpy() / 3600
    came = sessions["feedback_at"].is_not_null().cast(pl.Float64).to_numpy()
    return [
        Series("F", log.user, np.where(log.is_due, log.value, np.nan)),
        Series("feedback came", log.user, came),
        Series("hours until feedback", log.user, delay),
        *_columns(log, sessions, log.therapy.feedback.columns),
    ]


def context_series(log: Log) -> list[Series]:
    """The context columns that are simulated, and the hour of day."""
    hour = log.decided_at % MICROSECONDS_PER_DAY / MICROSECONDS_PER_DAY * 24
    return [
        *_columns(log, log.tables.sessions[log.rows], log.therapy.context),
        Series("hour (UTC)", log.user, hour),
    ]


def status_series(log: Log) -> list[Series]:
    """The readings."""
    if log.therapy.status is None:
        return []
    rows = log.tables.measurements.filter(pl.col("instrument") == log.therapy.status.instrument)
    patient = rows["user_id"].rank("dense").cast(pl.Int64).to_numpy()
    return [Series(log.therapy.status.instrument, patient, rows["score"].to_numpy())]


def presence_series(log: Log) -> list[Series]:
    """One value a patient: sessions, days from the first to the last, and days between sessions."""
    people, counts = np.unique(log.user, return_counts=True)
    day = log.decided_at / MICROSECONDS_PER_DAY
    last = np.cumsum(counts) - 1
    gap = np.where(np.diff(log.user) == 0, np.diff(day), np.nan)
    return [
        Series("sessions of a patient", people, counts.astype(float)),
        Series("days from first to last session", people, day[last] - day[last - counts + 1]),
        Series("days between sessions", log.user[1:], gap),
    ]


def _columns(log: Log, rows: pl.DataFrame, columns: Columns) -> list[Series]:
    found = []
    for name, column in columns.items():
        if column.kind == "category":
            places = {value: float(place) for place, value in enumerate(column.values or ())}
            codes = np.array([places.get(value, np.nan) for value in rows[name]], dtype=float)
            found.append(Series(name, log.user, codes, is_ordered=False))
        elif is_drawn(column.kind):
            found.append(Series(name, log.user, encode(rows, {name: column})[:, 0]))
    return found


def _until_the_log_ends(fitted: Fitted, tables: Tables) -> Tables:
    as_of = fitted.log.tables.as_of
    if as_of is None:
        return tables
    end = as_of + timedelta(microseconds=1)
    return Tables(
        tables.users,
        tables.measurements.filter(pl.col("measured_at") < end),
        tables.contents,
        tables.sessions.filter(pl.col("decided_at") < end),
    )
