"""A world of patients that lives day by day."""

import zlib
from datetime import UTC, datetime

import numpy as np
import polars as pl

from posology.errors import TherapyError, TooSmall
from posology.safety import Blocks, RecentDoses, blocks
from posology.simulators.answers import Drawn, Feedbacks
from posology.simulators.comments import Signs, comments
from posology.simulators.conditions import NOTHING_WRONG, Conditions
from posology.simulators.doses import DoseHistory
from posology.simulators.life import Life
from posology.simulators.mechanisms import mechanism_of
from posology.simulators.patients import Patients, at
from posology.simulators.population import moved
from posology.tables import catalogue_of
from posology.therapy import UTC_TIME, Therapy

START = datetime(2025, 1, 6, tzinfo=UTC)
EYE_SD = 1.8  # levels by which the clinic's picture of a patient is off, the same for the whole course
GLANCE_SD = 0.5  # levels by which it is off besides on one day
LOOK_WIDTH = 1.5  # levels; how strictly the level must fit the picture
SECOND, DAY = 1_000_000, 86_400_000_000  # µs
REST_LOOKS = 0.15  # how suitable a rest looks, beside 1 for a content that fits perfectly


class World:
    """The mechanistic ``Simulator``: n patients who enrol, are measured, open the app, answer, learn, tire and leave.

    Days count from ``start``; or, where patients go ``abreast``, from each
    patient's enrolment: all live their first day together, then their second.
    It is all the same to them, and several times faster; only a policy that
    learns from other patients needs the calendar.

    Attributes:
        therapy: the definition.
        users: the users table.
        contents: the contents table.
        deters: (n_contents,) log of how many times as likely a patient leaves after each, until the next.
        day: the day the world has lived up to.
        last_day: the last day on which anything can happen.
    """

    def __init__(
        self,
        therapy: Therapy,
        *,
        patients: int,
        seed: int,
        start: datetime = START,
        prefix: str | None = None,
        enrolment_days: int = 1,
        conditions: Conditions = NOTHING_WRONG,
        abreast: bool = False,
    ) -> None:
        if patients < 1 or enrolment_days < 1:
            raise TooSmall(f"expected 1 or more patients and days to enrol on, got {patients} and {enrolment_days}")
        self._mechanism = mechanism = moved(mechanism_of(therapy), conditions.transfer)
        if therapy.status is None or therapy.feedback is None:
            part = "status" if therapy.status is None else "feedback"
            raise TherapyError(f"therapy {therapy.name}: a simulation needs {part}, which is not declared")
        self.therapy, self._status, self._feedback, self._start = therapy, therapy.status, therapy.feedback, start
        self._rng = rng = np.random.default_rng([seed, zlib.crc32(therapy.name.encode())])
        self._words, self._coins, self._delays = rng.spawn(3)
        self._patients = traits = Patients.draw(
            rng,
            mechanism,
            therapy.status,
            patients,
            days=enrolment_days,
            prefix=prefix or therapy.name,
            conditions=conditions,
        )
        self.users = traits.users(rng, therapy, mechanism, start)
        self._u = self.users.select("user_id", *therapy.user)
        self.contents = catalogue_of(therapy)
        self._minutes = self.contents["minutes"].to_numpy()
        self._feedbacks = Feedbacks(therapy, mechanism.answers, mechanism.silence, mechanism.late_share)
        self._ahead = traits.enrolled_day if abreast else np.zeros(patients, dtype=int)
        self._life = Life(mechanism, traits, self.contents, conditions, day=self._ahead)
        self.deters, self._conditions = self._life.deters, conditions
        self._doses = DoseHistory(patients, therapy, self.contents)
        self._decided_at = np.zeros(patients, dtype=np.int64)  # µs since 1970
        self.day = 0
        self.last_day = int((traits.visit_days - self._ahead[:, None]).max(initial=0))

    def due(self, day: int) -> np.ndarray:
        """The patients who open the app that day."""
        self._live_until(day)
        opens = self._rng.random(self.users.height) < self._patients.diligence
        return np.flatnonzero(self._in_programme & ~self._life.has_left & opens)

    def to_measure(self, day: int) -> np.ndarray:
        """The patients who come to be measured that day."""
        self._live_until(day)
        traits = self._patients
        comes = traits.consented & (~self._life.has_left | traits.readable)
        return np.flatnonzero(comes & (traits.visit_days == self._today[:, None]).any(axis=1))

    def is_final_visit(self, patients: np.ndarray) -> np.ndarray:
        """(n,) whether today is the day of each patient's final measurement."""
        return self._patients.visit_days[patients, -1] == self._today[patients]

    def measurements(self, patients: np.ndarray, day: int) -> pl.DataFrame:
        """Rows of the measurements table."""
        scores = self.measure(patients, day)
        hours = self._rng.uniform(8, 12, len(patients))
        return pl.DataFrame(
            [
                self._u["user_id"].gather(patients),
                _times("measured_at", at(self._start, self._today[patients], hours, patients)),
                pl.Series("instrument", [self._status.instrument] * len(patients)),
                pl.Series("score", scores),
            ]
        )

    def measure(self, patients: np.ndarray, day: int) -> np.ndarray:
        """(n,) scores as the instrument reads them: with its noise, on its grid, in its range."""
        self._live_until(day)
        mechanism, status = self._mechanism, self._status
        noisy = self._life.score(patients) + self._rng.normal(0, mechanism.measurement_sd, len(patients))
        steps = np.round((noisy - status.minimum) / mechanism.score_step)
        return np.clip(status.minimum + steps * mechanism.score_step, status.minimum, status.maximum)

    def true_status(self, patients: np.ndarray) -> np.ndarray:
        """(n,) what the instrument would read today without noise."""
        return np.clip(self._life.score(patients), self._status.minimum, self._status.maximum)

    def situations(self, patients: np.ndarray, day: int) -> pl.DataFrame:
        """``user_id``, ``decided_at``, U and context columns as each patient opens the app; one row each."""
        self._live_until(day)
        rng, traits = self._rng, self._patients
        sleep = np.clip(np.round(rng.normal(traits.sleep[patients], 1.2), 1), 2, 12)
        hour = np.clip(np.round(rng.normal(traits.hour[patients], 2), 2), 6, 23.5)
        self._life.sleep[patients], self._life.hour[patients] = sleep, hour
        self._life.form[patients] = self._coins.choice([-1.0, 1.0], len(patients))
        feelings = self._mechanism.draw_feelings(rng, self._life.capacities[patients])
        context = {"sleep_hours": sleep, "hour_of_day": hour, **feelings}
        if set(context) != set(self.therapy.context):
            raise TherapyError(
                f"therapy {self.therapy.name}: its mechanism draws the context {', '.join(context)}; "
                f"declared is {', '.join(self.therapy.context)}"
            )
        self._decided_at[patients] = at(self._start, self._today[patients], hour, patients)
        of_context = [pl.Series(name, context[name]) for name in self.therapy.context]
        decided_at = _times("decided_at", self._decided_at[patients])
        return self._u[patients].hstack([decided_at, *of_context])

    def recent_doses(self, patients: np.ndarray) -> RecentDoses:
        """What each patient was given before the last situation."""
        return self._doses.recent(patients, self._decided_at[patients])

    def blocks(self, patients: np.ndarray, situations: pl.DataFrame) -> Blocks:
        """What must not be given to each patient in the situation."""
        return blocks(self.therapy, self.contents, situations, self.recent_doses(patients))

    def impression(self, rng: np.random.Generator, patients: np.ndarray) -> np.ndarray:
        """(n, n_contents) how well each level fits the capacity as the clinic sees it, 0 to 1."""
        misjudged = self._patients.eye[patients] * EYE_SD + rng.normal(0, GLANCE_SD, len(patients))
        gap = self._life.gap(patients) - misjudged[:, None]
        return np.where(self._life.is_rest, REST_LOOKS, np.exp(-0.5 * (gap / LOOK_WIDTH) ** 2))

    def unrecorded(self, patients: np.ndarray) -> np.ndarray | None:
        """(n, n_contents) log-odds by which the patients' form moves whoever chooses; None without confounding."""
        return self._life.lean(patients) if self._conditions.confounding else None

    def expected_feedback(self, patients: np.ndarray) -> np.ndarray:
        """(n, n_contents) the true mean of F for each content, as things stand."""
        return self._feedbacks.expected(self._life.appeal(patients))

    def give(self, patients: np.ndarray, contents: np.ndarray) -> pl.DataFrame:
        """``feedback_at`` and the F columns after each patient took a content; null where nothing came."""
        life = self._life
        drawn = self._feedbacks.draw(self._rng, life.appeal(patients, contents[:, None])[:, 0])
        words = comments(self._words, self._signs(patients, contents, drawn), self._mechanism.complaints)
        feedback_at = self._feedback_at(patients, contents)
        life.take(patients, contents, self._feedbacks.worth(drawn))
        self._doses.add(patients, contents, self._decided_at[patients])
        given = {name: _series(name, drawn.columns[name], drawn.came) for name in drawn.columns}
        given |= {name: words.rename(name) for name, column in self._feedback.columns.items() if column.kind == "text"}
        return pl.DataFrame([_times("feedback_at", feedback_at, drawn.came), *map(given.get, self._feedback.columns)])

    def _signs(self, patients: np.ndarray, contents: np.ndarray, drawn: Drawn) -> Signs:
        life = self._life
        gap = np.where(life.is_rest[contents], 0.0, life.gap(patients, contents[:, None])[:, 0])
        return Signs(
            came=drawn.came,
            value=drawn.value,
            gap=gap,
            boredom=life.boredom_of(patients, contents),
            fatigue=life.fatigue[patients],
            sleep=life.sleep[patients],
            capacities=life.capacities[patients],
        )

    def _feedback_at(self, patients: np.ndarray, contents: np.ndarray) -> np.ndarray:
        """(n,) µs since 1970: minutes after the content, or one of the nights after it was due."""
        n, decided_at = len(patients), self._decided_at[patients]
        on_time = decided_at + (self._minutes[contents] * 60 + self._rng.integers(60, 300, n)).astype(np.int64) * SECOND
        nights = 1 + (decided_at + int(self._feedback.due_hours * 3600) * SECOND) // DAY
        nights += self._delays.geometric(0.5, n) - 1
        at_night = nights * DAY + self._delays.integers(6 * 3600, size=n) * SECOND + patients
        return np.where(self._delays.random(n) < self._mechanism.late_share, at_night, on_time)

    @property
    def _today(self) -> np.ndarray:
        """(n,) days from ``start`` to each patient's today."""
        return self.day + self._ahead

    @property
    def _in_programme(self) -> np.ndarray:
        first, final, today = self._patients.visit_days[:, 0], self._patients.visit_days[:, -1], self._today
        return np.logical_and.reduce([self._patients.consented, first < today, today < final])

    def _live_until(self, day: int) -> None:
        if day < self.day:
            raise ValueError(f"the world has lived up to day {self.day} and cannot go back to {day}")
        while self.day < day:
            self.day += 1
            self._life.pass_day(self._rng, self._patients.enrolled_day < self._today, self._in_programme)


def _times(name: str, microseconds: np.ndarray, known: np.ndarray | None = None) -> pl.Series:
    """UTC times from µs since 1970; null where not known."""
    times = microseconds.astype("datetime64[us]")
    return pl.Series(name, times if known is None else np.where(known, times, np.datetime64("NaT"))).cast(UTC_TIME)


def _series(name: str, values: np.ndarray, known: np.ndarray) -> pl.Series:
    """Numbers or truths; null where not known."""
    series = pl.Series(name, np.where(known, values, np.nan), nan_to_null=True)
    return series.cast(pl.Boolean) if values.dtype == bool else series
