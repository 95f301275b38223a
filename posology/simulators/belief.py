"""What can be known of patients by whoever knows how they work and reads all that is recorded but the words.

A particle filter (Gordon, Salmond & Smith 1993; kernel-smoothed traits, Liu & West 2001): each patient is
followed by many imagined ones, weighted by how well they explain what was recorded. Its mean is the best
prediction of the next F there can be: what a log can teach stays short of the truth, and this tells by how much.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from posology.simulators.answers import Feedbacks
from posology.simulators.life import Life
from posology.simulators.likelihood import log_likelihood
from posology.simulators.mechanism import CAPACITY_RANGE
from posology.simulators.mechanisms import mechanism_of
from posology.simulators.patients import Patients
from posology.simulators.readings import Readings
from posology.tables import Tables
from posology.therapy import Therapy

AT_ONCE = 40_000  # imagined patients whose every content is looked at together
SMOOTHING = {"tastes": 0.03, "temper": 0.04, "best_hour": 0.2, "capacities": 0.05}  # SD added when particles are drawn
TRAITS = ("tastes", "temper", "rate", "drift_rate", "best_hour")
STATES = ("capacities", "boredom", "fatigue", "sleep", "hour")


class Belief:
    """The imagined patients behind each patient of some tables.

    Args:
        therapy: one that has a mechanism.
        tables: whose users are followed; what else is in them is not read yet.
        particles: imagined patients for each.
        seed: of the imagination.
    """

    def __init__(self, therapy: Therapy, tables: Tables, *, particles: int = 500, seed: int = 0) -> None:
        if therapy.feedback is None or therapy.status is None:
            raise ValueError("a mechanistic therapy has feedback and status")
        self.therapy, self._feedback, self._particles = therapy, therapy.feedback, particles
        self._mechanism = mechanism = mechanism_of(therapy)
        self._rng = rng = np.random.default_rng([seed, 2])
        self._n = n = tables.users.height
        self._traits = Patients.draw(rng, mechanism, therapy.status, n * particles, days=1, prefix="imagined")
        self._life = Life(mechanism, self._traits, tables.contents)
        self._feedbacks = Feedbacks(therapy, mechanism.answers, mechanism.silence, mechanism.late_share)
        self._log_weight = np.zeros((n, particles))
        self._day = np.zeros(n)
        self._readings = Readings.of(rng, mechanism, therapy, self._life.capacities)
        self._see(np.arange(n), tables.users)

    def measured(self, patients: np.ndarray, days: np.ndarray, scores: np.ndarray) -> None:
        """Readings of the instrument, (n,) each, days after enrolment."""
        self._live_until(patients, days)
        mechanism, rows = self._mechanism, self._rows(patients)
        error = np.hypot(mechanism.measurement_sd, mechanism.score_step / np.sqrt(12))
        expected = self._life.score(rows).reshape(len(patients), -1)
        self._weigh(patients, -0.5 * ((scores[:, None] - expected) / error) ** 2)

    def met(self, patients: np.ndarray, days: np.ndarray, context: pl.DataFrame) -> None:
        """The patients open the app: the context columns, n rows, tell how they are."""
        self._live_until(patients, days)
        rows = self._rows(patients)
        for name, state in (("sleep_hours", self._life.sleep), ("hour_of_day", self._life.hour)):
            if name in self.therapy.context:
                state[rows] = np.repeat(context[name].to_numpy(), self._particles)
        self._see(patients, context)

    def expected_feedback(self, patients: np.ndarray) -> np.ndarray:
        """(n, n_contents) mean of F for each content, of n > 0 patients just met."""
        weight = self._weights(patients)
        found = [
            np.einsum("nk,nkm->nm", weight[part], self._expected(patients[part]))
            for part in np.array_split(np.arange(len(patients)), 1 + len(patients) * self._particles // AT_ONCE)
        ]
        return np.concatenate(found)

    def gave(self, patients: np.ndarray, contents: np.ndarray, answers: pl.DataFrame, value: np.ndarray) -> None:
        """What came of the contents given to patients just met.

        Args:
            patients: (n,) numbers.
            contents: (n,) places.
            answers: F columns, n rows.
            value: (n,) F; NaN where the answer is not known yet.
        """
        rows, given = self._rows(patients), np.repeat(contents, self._particles)
        appeal = self._life.appeal(rows, given[:, None]).reshape(len(patients), -1)
        told = log_likelihood(self._mechanism, self._feedback, appeal, answers)
        self._weigh(patients, np.where(np.isnan(value)[:, None], 0.0, told))
        self._life.take(rows, given, np.repeat(value, self._particles))
        self._draw_again(patients)

    def _expected(self, patients: np.ndarray) -> np.ndarray:
        """(n, particles, n_contents)"""
        appeal = self._life.appeal(self._rows(patients))
        return self._feedbacks.expected(appeal).reshape(len(patients), self._particles, -1)

    def _rows(self, patients: np.ndarray) -> np.ndarray:
        """Numbers of the imagined patients behind these."""
        return (patients[:, None] * self._particles + np.arange(self._particles)).ravel()

    def _live_until(self, patients: np.ndarray, days: np.ndarray) -> None:
        passed = np.maximum(days - self._day[patients], 0)
        self._life.rest(self._rows(patients), np.repeat(passed, self._particles))
        self._day[patients] += passed

    def _see(self, patients: np.ndarray, columns: pl.DataFrame) -> None:
        capacities = self._life.capacities[self._rows(patients)].reshape(len(patients), self._particles, -1)
        self._weigh(patients, self._readings.log_likelihood(capacities, columns))

    def _weigh(self, patients: np.ndarray, log_likelihood: np.ndarray) -> None:
        self._log_weight[patients] += log_likelihood

    def _weights(self, patients: np.ndarray) -> np.ndarray:
        log_weight = self._log_weight[patients]
        weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
        return weight / weight.sum(axis=1, keepdims=True)

    def _draw_again(self, patients: np.ndarray) -> None:
        """Where few particles carry the weight (effective number under half), draw them anew, slightly moved."""
        weight = self._weights(patients)
        few = (weight**2).sum(axis=1) > 2 / self._particles
        to = self._rows(patients[few])
        self._copy(to, np.concatenate([np.zeros(0, dtype=int), *self._drawn(patients[few], weight[few])]))
        self._log_weight[patients[few]] = 0.0
        life, traits = self._life, self._traits
        for name, spread in SMOOTHING.items():
            of = life.capacities if name == "capacities" else getattr(traits, name)
            of[to] += self._rng.normal(0, spread, of[to].shape)
        life.capacities[to] = np.clip(life.capacities[to], *CAPACITY_RANGE)

    def _drawn(self, patients: np.ndarray, weight: np.ndarray) -> Iterator[np.ndarray]:
        """Systematic resampling (Kitagawa 1996)."""
        steps = (np.arange(self._particles) + 0.5) / self._particles
        for patient, shares in zip(patients, weight, strict=True):
            yield patient * self._particles + np.searchsorted(shares.cumsum()[:-1], steps)

    def _copy(self, to: np.ndarray, of: np.ndarray) -> None:
        for owner, names in ((self._traits, TRAITS), (self._life, STATES)):
            for name in names:
                values = getattr(owner, name)
                values[to] = values[of]
