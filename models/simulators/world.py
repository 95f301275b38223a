"""Patients like those of a log, who live day by day."""

from datetime import datetime

import numpy as np
import polars as pl

from models.fold import COURSE, DECIDED, FED_BACK, FED_BACK_AT_ONCE, MEASURED
from models.simulators.answers import NEVER
from models.simulators.attendance import Attendance
from models.simulators.choosing import with_promise
from models.simulators.fitted import Fitted
from models.simulators.log import MICROSECONDS_PER_DAY, micros
from models.simulators.moments import COURSE_SO_FAR, MINUTE, past_of
from models.simulators.patients import DrawnPatients, first_midnight
from models.simulators.states import CourseStates
from models.simulators.status import LivedStatus
from posology.errors import TherapyError, TooSmall
from posology.safety import Blocks, RecentDoses, blocks
from posology.simulators.doses import DoseHistory
from posology.therapy import UTC_TIME, Columns


class FittedWorld:
    """The data-driven ``Simulator``: n patients who come, answer, change and leave as those of a log did.

    Its truth is its own: ``expected_feedback`` is the exact mean of what it
    would draw, ``true_status`` what its instrument reads without noise. How
    near that is to the patients of the log, the fidelity report says.

    Where the log has up to k sessions of a patient on one day, a simulated
    day is k steps: step t is the (t % k)-th session of day t // k, and "day"
    means a step in every method here. ``impression`` is how likely the log's
    way of choosing is to give each content.

    Attributes:
        therapy: the definition.
        users: the users table.
        contents: the contents the log says enough of, see ``Fitted.unsupported``.
        steps_per_day: k.
        last_day: the last step on which anything can happen.
    """

    def __init__(
        self,
        fitted: Fitted,
        *,
        patients: int,
        seed: int,
        start: datetime | None = None,
        prefix: str | None = None,
        enrolment_days: int | None = None,
    ) -> None:
        if patients < 1:
            raise TooSmall(f"expected 1 or more patients, got {patients}")
        log = fitted.log
        self._fitted, self.therapy = fitted, log.therapy
        self._rng = rng = np.random.default_rng(seed)
        self._start = first_midnight(log.enrolled_at if start is None else micros(pl.Series([start])))
        self._traits = traits = DrawnPatients.draw(
            rng, fitted, patients, start=self._start, days=enrolment_days, prefix=prefix or f"{log.therapy.name}-like"
        )
        self.users, self.contents = traits.users, log.tables.contents
        self.steps_per_day = fitted.presence.rounds
        last = max(int(traits.last_day.max()), int(traits.visits.max(initial=0) // MICROSECONDS_PER_DAY))
        self.last_day = (last - self._start // MICROSECONDS_PER_DAY + 1) * self.steps_per_day - 1
        self.day = 0
        self._attendance = Attendance(rng, fitted.presence, traits)
        self._status = (
            LivedStatus(rng, log.therapy.status, fitted.readings, traits, log.features.contents.groups)
            if log.therapy.status and fitted.readings
            else None
        )
        self._states = CourseStates(log.features, traits.enrolled_at)
        self._doses = DoseHistory(patients, log.therapy, self.contents)
        self._not_before = traits.enrolled_at.copy()  # µs; nothing happens to a patient earlier
        self._trace = np.full((patients, fitted.moments.usual.shape[1]), np.nan)
        self._row_of = np.full(patients, -1)  # in the last situations
        self._situations = pl.DataFrame()
        self._matrix = self._predicted = np.zeros((0, 0))

    def due(self, day: int) -> np.ndarray:
        """The patients who open the app in that step."""
        self._live_until(day)
        return self._attendance.first_of(self._date) if self._is_first_step else self._attendance.again_on(self._date)

    def to_measure(self, day: int) -> np.ndarray:
        """The patients who come to be measured in that step."""
        self._live_until(day)
        if self._status is None or not self._is_first_step:
            return np.zeros(0, dtype=np.int64)
        comes = self._status.to_measure(self._date, self._attendance.has_left)
        return self._attendance.consented(np.flatnonzero(comes))

    def is_final_visit(self, patients: np.ndarray) -> np.ndarray:
        """(n,) whether today is the day of each patient's final measurement."""
        if self._status is None or not self._is_first_step:
            return np.zeros(patients.size, dtype=bool)
        return self._status.visits_on[patients, -1] == self._date

    def measurements(self, patients: np.ndarray, day: int) -> pl.DataFrame:
        """Rows of the measurements table."""
        self._live_until(day)
        if self._status is None or self.therapy.status is None:
            raise TherapyError(f"therapy {self.therapy.name}: there is nothing to measure, status is not declared")
        nth = (self._status.visits_on[patients] == self._date).argmax(axis=1)
        at = np.maximum(self._traits.visits[patients, nth], self._traits.enrolled_at[patients])
        score, before = self._status.read(patients), self._not_before[patients]
        self._not_before[patients] = np.where(nth == 0, np.maximum(before, at), before)
        self._states.tell(patients, at, kind=MEASURED, place=np.full(patients.size, -1), value=score)
        return pl.DataFrame(
            {
                "user_id": self.users["user_id"].gather(patients),
                "measured_at": pl.Series(at).cast(UTC_TIME),
                "instrument": [self.therapy.status.instrument] * patients.size,
                "score": score,
            }
        )

    def true_status(self, patients: np.ndarray) -> np.ndarray:
        """(n,) what the instrument would read today without noise; NaN where the therapy has none."""
        return np.full(patients.size, np.nan) if self._status is None else self._status.true(patients)

    def situations(self, patients: np.ndarray, day: int) -> pl.DataFrame:
        """``user_id``, ``decided_at``, U and context columns as each patient opens the app; one row each."""
        self._live_until(day)
        moments, nth = self._fitted.moments, day % self.steps_per_day
        drawn = moments.draw(self._rng, self._past(patients, nth))
        at = self._at(patients, drawn, is_first=nth == 0)
        self._trace[patients] = np.column_stack(
            [moments.trace[drawn, :-1], at % MICROSECONDS_PER_DAY / MICROSECONDS_PER_DAY]
        )
        self._attendance.opened(patients, self._date, moments.goes_on[drawn] & (nth + 1 < self.steps_per_day))
        self._not_before[patients] = at
        self._situations = (
            self.users.select("user_id", *self.therapy.user)[patients]
            .with_columns(pl.Series("decided_at", at).cast(UTC_TIME))
            .hstack(_complete(moments.context[drawn], self.therapy.context))
        )
        self._row_of[:] = -1
        self._row_of[patients] = np.arange(patients.size)
        self._look_at(patients, at)
        return self._situations

    def recent_doses(self, patients: np.ndarray) -> RecentDoses:
        """What each patient was given before the last situation."""
        return self._doses.recent(patients, self._not_before[patients])

    def blocks(self, patients: np.ndarray, situations: pl.DataFrame) -> Blocks:
        """What must not be given to each patient in the situation."""
        return blocks(self.therapy, self.contents, situations, self.recent_doses(patients))

    def impression(self, rng: np.random.Generator, patients: np.ndarray) -> np.ndarray:  # noqa: ARG002
        """(n, n_contents) how likely each content is to be given as the log's were, the likeliest 1."""
        rows, n_contents = self._rows(patients), self.contents.height
        promise = self._predicted if self._fitted.answers else None
        chance = self._fitted.choosing.chance(with_promise(self._matrix, promise)).reshape(-1, n_contents)[rows]
        return chance / chance.max(axis=1, keepdims=True)

    def unrecorded(self, patients: np.ndarray) -> np.ndarray | None:  # noqa: ARG002
        """None: what is written nowhere cannot be learned from a log."""
        return None

    def expected_feedback(self, patients: np.ndarray) -> np.ndarray:
        """(n, n_contents) the true mean of F for each content, as things stand; NaN where the therapy has none."""
        rows, n_contents, answers = self._rows(patients), self.contents.height, self._fitted.answers
        if answers is None:
            return np.full((patients.size, n_contents), np.nan)
        places = np.tile(np.arange(n_contents), patients.size)
        return answers.expected(self._predicted[rows].ravel(), places).reshape(-1, n_contents)

    def give(self, patients: np.ndarray, contents: np.ndarray) -> pl.DataFrame:
        """``feedback_at`` and the F columns after each patient took a content; null where nothing came."""
        at, rows = self._not_before[patients], self._rows(patients)
        self._doses.add(patients, contents, at)
        self._states.tell(patients, at, kind=DECIDED, place=contents, value=np.full(contents.size, np.nan))
        came, value = self._answer(patients, contents, at, rows)
        if self._status is not None:
            self._status.take(patients, contents, value)
        given = self._matrix[rows * self.contents.height + contents]
        self._attendance.take(patients, self._fitted.log.features.names, given, value)
        return came

    def _rows(self, patients: np.ndarray) -> np.ndarray:
        rows = self._row_of[patients]
        if (rows < 0).any():
            raise ValueError("expected patients whose situations were asked last; ask for situations first")
        return rows

    def _past(self, patients: np.ndarray, nth: int) -> np.ndarray:
        moments, traits = self._fitted.moments, self._traits
        at = np.maximum(self._date * MICROSECONDS_PER_DAY, self._not_before[patients])
        course = self._states.describe(patients, at, np.zeros(patients.size, dtype=np.int64))
        enrolled = self._date - traits.enrolled_at[patients] // MICROSECONDS_PER_DAY
        return past_of(
            self._trace[patients],
            moments.usual[traits.donor[patients]],
            np.column_stack([np.full(patients.size, nth), enrolled]),
            course[:, [COURSE.index(name) for name in COURSE_SO_FAR]],
        )

    def _at(self, patients: np.ndarray, drawn: np.ndarray, *, is_first: bool) -> np.ndarray:
        """(n,) µs; the clock of the moment drawn to the minute, or its pause after the session before."""
        moments, midnight, before = self._fitted.moments, self._date * MICROSECONDS_PER_DAY, self._not_before[patients]
        seconds = self._rng.integers(0, MINUTE, patients.size) * moments.within_minute
        clock = moments.clock[drawn] // MINUTE * MINUTE + seconds
        at = midnight + clock if is_first else before + moments.pause[drawn]
        return np.maximum(np.minimum(at, midnight + MICROSECONDS_PER_DAY - 1), before + 1)

    def _look_at(self, patients: np.ndarray, at: np.ndarray) -> None:
        """Features and predicted F of every content for each patient."""
        n_contents, features, answers = self.contents.height, self._fitted.log.features, self._fitted.answers
        decisions, places = (
            np.repeat(np.arange(patients.size), n_contents),
            np.tile(np.arange(n_contents), patients.size),
        )
        folded = self._states.describe(patients[decisions], at[decisions], places)
        self._matrix = features.join(folded, self._situations, decisions, places)
        if answers is not None:
            temper = answers.temper[self._traits.donor[patients]]
            self._predicted = answers.predict(self._matrix).reshape(-1, n_contents) + temper[:, None]

    def _answer(
        self, patients: np.ndarray, contents: np.ndarray, at: np.ndarray, rows: np.ndarray
    ) -> tuple[pl.DataFrame, np.ndarray]:
        answers = self._fitted.answers
        if answers is None:
            nothing = pl.DataFrame({"feedback_at": pl.Series([None] * patients.size, dtype=UTC_TIME)})
            return nothing, np.full(patients.size, np.nan)
        drawn = answers.draw(self._rng, self._predicted[rows, contents], contents)
        value, after, came_after = answers.value[drawn], answers.known_after[drawn], answers.came_after[drawn]
        for kind, comes in ((FED_BACK, after > 0), (FED_BACK_AT_ONCE, after <= 0)):
            told = comes & ~np.isnan(value)
            known_at = at[told] + np.maximum(after[told], 0)
            self._states.tell(patients[told], known_at, kind=kind, place=contents[told], value=value[told])
        feedback_at = pl.Series("feedback_at", at + np.maximum(came_after, 0)).cast(UTC_TIME)
        came = pl.Series(came_after != NEVER)
        return pl.select(pl.when(came).then(feedback_at).alias("feedback_at")).hstack(answers.columns[drawn]), value

    @property
    def _date(self) -> int:
        """Today, in days since 1970."""
        return self._start // MICROSECONDS_PER_DAY + self.day // self.steps_per_day

    @property
    def _is_first_step(self) -> bool:
        return self.day % self.steps_per_day == 0

    def _live_until(self, day: int) -> None:
        if day < self.day:
            raise ValueError(f"the simulation has lived up to day {self.day} and cannot go back to {day}")
        while self.day < day:
            self.day += 1
            if self._status is not None and self._is_first_step:
                self._status.pass_day(self._date)


def _complete(context: pl.DataFrame, columns: Columns) -> list[pl.Series]:
    """The context columns in the order declared; those that are not simulated are empty."""
    return [
        context[name] if name in context.columns else pl.Series(name, [None] * context.height, dtype=column.dtype)
        for name, column in columns.items()
    ]
