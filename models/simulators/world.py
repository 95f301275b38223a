"""Patients like those of a log, who live day by day."""

from datetime import datetime

import numpy as np
import polars as pl

from models.fold import COURSE, DECIDED, FED_BACK, FED_BACK_AT_ONCE, MEASURED
from models.simulators.answers import NEVER
from models.simulators.fitted import Fitted
from models.simulators.log import MICROSECONDS_PER_DAY, micros
from models.simulators.moments import COURSE_SO_FAR, MINUTE, past_of
from models.simulators.patients import DrawnPatients, first_midnight
from models.simulators.presence import leaving_columns, opening_columns
from models.simulators.states import CourseStates
from posology.errors import TooSmall
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
        self._consented = traits.users["consent"].fill_null(value=False).to_numpy()
        self._states = CourseStates(log.features, traits.enrolled_at)
        self._doses = DoseHistory(patients, log.therapy, self.contents)
        self._has_left = np.zeros(patients, dtype=bool)
        self._opened_on = np.full(patients, -1)  # day since 1970
        self._goes_on = np.zeros(patients, dtype=bool)  # opens the app again today
        self._not_before = traits.enrolled_at.copy()  # µs; nothing happens to a patient earlier
        self._trace = np.full((patients, fitted.moments.usual.shape[1]), np.nan)
        self._status = fitted.readings.start(traits.donor) if fitted.readings else np.full(patients, np.nan)
        self._comes = rng.random(patients)  # to be measured after leaving, when it is low
        self._row_of = np.full(patients, -1)  # in the last situations
        self._situations = pl.DataFrame()
        self._matrix = self._predicted = np.zeros((0, 0))

    def due(self, day: int) -> np.ndarray:
        """The patients who open the app in that step."""
        self._live_until(day)
        if day % self.steps_per_day:
            return np.flatnonzero(self._goes_on & (self._opened_on == self._date))
        traits, date = self._traits, self._date
        columns = opening_columns(
            self._fitted.presence.share[traits.donor],
            self._opened_on == date - 1,
            np.full(traits.donor.size, date),
            np.maximum(date - traits.first_day, 0),
        )
        opens = self._rng.random(traits.donor.size) < self._fitted.presence.opening.chance(columns)
        is_there = self._consented & ~self._has_left & (traits.first_day >= 0) & (date <= traits.last_day)
        return np.flatnonzero(is_there & ((date == traits.first_day) | ((date > traits.first_day) & opens)))

    def to_measure(self, day: int) -> np.ndarray:
        """The patients who come to be measured in that step."""
        self._live_until(day)
        readings = self._fitted.readings
        if readings is None or day % self.steps_per_day:
            return np.zeros(0, dtype=np.int64)
        today = self._visits_on == self._date
        stays = self._rng.random(self._comes.size) < readings.attend
        comes = today[:, 0] | np.where(self._has_left, self._comes < readings.attend_left, stays)
        return np.flatnonzero(self._consented & today.any(axis=1) & comes)

    def is_final_visit(self, patients: np.ndarray) -> np.ndarray:
        """(n,) whether today is the day of each patient's final measurement."""
        is_measured_now = self.day % self.steps_per_day == 0
        return is_measured_now & (self._visits_on[patients, -1] == self._date)

    def measurements(self, patients: np.ndarray, day: int) -> pl.DataFrame:
        """Rows of the measurements table."""
        self._live_until(day)
        nth = (self._visits_on[patients] == self._date).argmax(axis=1)
        at = np.maximum(self._traits.visits[patients, nth], self._traits.enrolled_at[patients])
        score = self._read(patients)
        self._not_before[patients] = np.where(
            nth == 0, np.maximum(self._not_before[patients], at), self._not_before[patients]
        )
        self._states.tell(patients, at, kind=MEASURED, place=np.full(patients.size, -1), value=score)
        assert self.therapy.status
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
        status = self.therapy.status
        return np.clip(self._status[patients], status.minimum, status.maximum) if status else self._status[patients]

    def situations(self, patients: np.ndarray, day: int) -> pl.DataFrame:
        """``user_id``, ``decided_at``, U and context columns as each patient opens the app; one row each."""
        self._live_until(day)
        moments, nth = self._fitted.moments, day % self.steps_per_day
        drawn = moments.draw(self._rng, self._past(patients, nth))
        at = self._at(patients, drawn, is_first=nth == 0)
        self._trace[patients] = np.column_stack(
            [moments.trace[drawn, :-1], at % MICROSECONDS_PER_DAY / MICROSECONDS_PER_DAY]
        )
        self._opened_on[patients] = self._date
        self._goes_on[patients] = moments.goes_on[drawn] & (nth + 1 < self.steps_per_day)
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
        chance = self._fitted.choosing.chance(self._matrix).reshape(-1, n_contents)[rows]
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
        self._move(patients, contents, value)
        self._maybe_leave(patients, self._matrix[rows * self.contents.height + contents], value)
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

    def _move(self, patients: np.ndarray, contents: np.ndarray, value: np.ndarray) -> None:
        """The content, and how it went, move the status."""
        readings = self._fitted.readings
        if readings is None:
            return
        typical = readings.typical_feedback
        group = self._fitted.log.features.contents.groups[contents]
        gain = readings.per_content[contents] + readings.per_feedback[group] * np.where(np.isnan(value), typical, value)
        np.add.at(self._status, patients, gain)

    def _maybe_leave(self, patients: np.ndarray, matrix: np.ndarray, value: np.ndarray) -> None:
        chance = self._fitted.presence.leaving.chance(leaving_columns(self._fitted.log.features.names, matrix, value))
        leaves = (self._rng.random(patients.size) < chance) & ~self._goes_on[patients]
        self._has_left[patients[leaves]] = True

    def _read(self, patients: np.ndarray) -> np.ndarray:
        readings, status = self._fitted.readings, self.therapy.status
        assert readings
        assert status
        score = self._status[patients] + self._rng.normal(0, readings.noise_sd, patients.size)
        if readings.grid:
            score = status.minimum + np.round((score - status.minimum) / readings.grid) * readings.grid
        return np.clip(score, status.minimum, status.maximum)

    @property
    def _date(self) -> int:
        """Today, in days since 1970."""
        return self._start // MICROSECONDS_PER_DAY + self.day // self.steps_per_day

    @property
    def _visits_on(self) -> np.ndarray:
        return self._traits.visits // MICROSECONDS_PER_DAY

    def _live_until(self, day: int) -> None:
        if day < self.day:
            raise ValueError(f"the simulation has lived up to day {self.day} and cannot go back to {day}")
        while self.day < day:
            self.day += 1
            if self.day % self.steps_per_day == 0:
                self._pass_day()

    def _pass_day(self) -> None:
        readings = self._fitted.readings
        if readings is None:
            return
        begun = self._visits_on[:, 0] < self._date
        walk = self._rng.normal(0, np.sqrt(readings.walk_variance), begun.size)
        self._status += begun * (readings.per_day + self._traits.slope + walk)


def _complete(context: pl.DataFrame, columns: Columns) -> list[pl.Series]:
    """The context columns in the order declared; those that are not simulated are empty."""
    return [
        context[name] if name in context.columns else pl.Series(name, [None] * context.height, dtype=column.dtype)
        for name, column in columns.items()
    ]
