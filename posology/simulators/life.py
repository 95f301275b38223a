"""What goes on in the patients: learning, boredom, mood for the programme, leaving."""

import zlib

import numpy as np
import polars as pl

from posology.simulators.mechanism import CAPACITY_RANGE, Mechanism
from posology.simulators.patients import Patients

SLEEP_NEEDED_HOURS = 7.0
LEAST_EFFORT = 0.3  # share learned where F is 0
PLEASURE_WEIGHT = 0.2  # of the newest F in what a patient feels about the programme


class Life:
    """The hidden state of n patients, and how a content and a day change it.

    Attributes:
        capacities: (n, n_capacities) now.
        boredom: (n, n_kinds) of each kind of content, 0 to 1.
        has_left: (n,) dropped out of the programme.
        sleep: (n,) hours of the last night.
    """

    def __init__(self, mechanism: Mechanism, patients: Patients, contents: pl.DataFrame) -> None:
        self._mechanism, self._patients = mechanism, patients
        kinds, feature = list(mechanism.trains), contents[mechanism.feature]
        self._kind = np.array([kinds.index(value) for value in feature])
        self._trains = np.array([mechanism.trains[value] for value in feature])
        self._level = contents["level"].to_numpy()
        self._charm = mechanism.charm_sd * np.array([_charm(content_id) for content_id in contents["content_id"]])
        self.is_rest = self._trains.sum(axis=1) == 0
        n = len(patients.ids)
        self.capacities = patients.capacities.copy()
        self.boredom = np.zeros((n, len(kinds)))
        self.has_left = np.zeros(n, dtype=bool)
        self.sleep = patients.sleep.copy()
        self._pleasure = np.full(n, 0.5)

    def pass_day(self, rng: np.random.Generator, is_enrolled: np.ndarray, in_programme: np.ndarray) -> None:
        """One day: capacities of those enrolled drift, boredom fades, some in the programme leave."""
        mechanism = self._mechanism
        drift = mechanism.drift_per_week / 7 * is_enrolled[:, None]
        self.capacities = np.clip(self.capacities + drift, *CAPACITY_RANGE)
        self.boredom *= 0.5 ** (1 / mechanism.boredom_half_life_days)
        hazard = mechanism.leaving_per_week / 7 * np.exp(mechanism.leaving_slope * (0.5 - self._pleasure))
        self.has_left |= in_programme & (rng.random(len(hazard)) < hazard)

    def gap(self, patients: np.ndarray) -> np.ndarray:
        """(n, n_contents) levels by which each content is too hard today; negative is too easy."""
        short = np.maximum(SLEEP_NEEDED_HOURS - self.sleep[patients], 0) * self._mechanism.sleep_cost
        able = self.capacities[patients] @ self._trains.T - short[:, None]
        return self._level - able - self._mechanism.challenge

    def fit(self, patients: np.ndarray) -> np.ndarray:
        """(n, n_contents) the inverted U: 1 where the level is right, 0 far off and for a rest."""
        fit = np.exp(-0.5 * (self.gap(patients) / self._mechanism.fit_width) ** 2)
        return np.where(self.is_rest, 0.0, fit)

    def appeal(self, patients: np.ndarray) -> np.ndarray:
        """(n, n_contents) what decides, with chance, what comes back."""
        mechanism, traits = self._mechanism, self._patients
        of_kind = traits.tastes[patients] - mechanism.boredom_cost * self.boredom[patients]
        trained = mechanism.fit_appeal * self.fit(patients) + of_kind[:, self._kind]
        return self._charm + traits.temper[patients, None] + np.where(self.is_rest, mechanism.rest_appeal, trained)

    def take(self, patients: np.ndarray, contents: np.ndarray, value: np.ndarray) -> None:
        """Each patient takes a content and finds it worth ``value`` (F; NaN where it is unknown)."""
        mechanism = self._mechanism
        value = np.where(np.isnan(value), 0.5, value)
        fit = self.fit(patients)[np.arange(len(patients)), contents]
        learned = mechanism.learning_rate * self._patients.rate[patients] * fit
        learned *= LEAST_EFFORT + (1 - LEAST_EFFORT) * value
        grown = self.capacities[patients] + learned[:, None] * self._trains[contents]
        self.capacities[patients] = np.minimum(grown, CAPACITY_RANGE[1])
        bored = self.boredom[patients, self._kind[contents]]
        self.boredom[patients, self._kind[contents]] = bored + mechanism.boredom_gain * (1 - bored)
        self._pleasure[patients] += PLEASURE_WEIGHT * (value - self._pleasure[patients])

    def boredom_of(self, patients: np.ndarray, contents: np.ndarray) -> np.ndarray:
        """(n,) with the kind of content each patient takes."""
        return self.boredom[patients, self._kind[contents]]

    def score(self, patients: np.ndarray) -> np.ndarray:
        """(n,) what the instrument would read without noise, before it is cut to its range."""
        mechanism = self._mechanism
        return mechanism.score_at_zero + self.capacities[patients] @ np.array(mechanism.score_per_capacity)


def _charm(content_id: str) -> float:
    """What a content has for everyone, in standard deviations; the same in every world, whatever its seed."""
    return float(np.random.default_rng(zlib.crc32(content_id.encode())).normal())
