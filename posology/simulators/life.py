"""What goes on in the patients: learning, boredom, fatigue, mood for the programme, leaving."""

import zlib

import numpy as np
import polars as pl

from posology.simulators.conditions import NOTHING_WRONG, Conditions
from posology.simulators.mechanism import CAPACITY_RANGE, Mechanism
from posology.simulators.patients import DAYS_PER_YEAR, Patients

SLEEP_NEEDED_HOURS = 7.0
HOURS_OFF = 6.0  # from the best hour of day, beyond which it gets no worse
LEAST_EFFORT = 0.3  # share learned where F is 0
PLEASURE_WEIGHT = 0.2  # of the newest F in what a patient feels about the programme
USUAL_MINUTES = 15.0  # of the content that trains by ``learning_rate``
FORM_APPEAL, FORM_LEAN = 1.0, 2.0  # of a good day: what it adds to appeal, how far it moves whoever chooses (log-odds)
LURE_APPEAL = 3.0  # of the most charming content where F misleads
DETERRED = 1.5  # log-hazard of leaving after the most charming content where contents deter; 4.5 times
TREND_APPEAL = 2.0  # a year, for every other kind of content
EVERY = np.newaxis  # all contents, in place of one for each patient


class Life:
    """The hidden state of n patients, and how a content and a day change it.

    Where ``contents`` are asked for, they are (n, k): k of them for each
    patient, or (1, k): the same for all; every content when not given.

    Attributes:
        capacities: (n, n_capacities) now.
        boredom: (n, n_kinds) with each kind of content, 0 to 1.
        fatigue: (n,) 0 to 1, exhausted.
        has_left: (n,) dropped out of the programme.
        sleep: (n,) hours of the last night.
        hour: (n,) of day at which the app was last opened.
        form: (n,) 1 on a good day, -1 on a bad one: what the clinic sees and no table holds.
        is_rest: (n_contents,) contents that train nothing.
        deters: (n_contents,) log of how many times as likely a patient leaves after each, until the next.
    """

    def __init__(
        self,
        mechanism: Mechanism,
        patients: Patients,
        contents: pl.DataFrame,
        conditions: Conditions = NOTHING_WRONG,
        day: int | np.ndarray = 0,
    ) -> None:
        self._mechanism, self._patients, self._conditions = mechanism, patients, conditions
        kinds, feature = list(mechanism.trains), contents[mechanism.feature]
        self._kind = np.array([kinds.index(value) for value in feature])
        self._trains = np.array([mechanism.trains[value] for value in feature])
        self._level = contents["level"].to_numpy()
        self._minutes = contents["minutes"].to_numpy()
        self._all = np.arange(contents.height)[EVERY]
        self.is_rest = self._trains.sum(axis=1) == 0
        charm = np.array([_charm(content_id) for content_id in contents["content_id"]])
        rank = _lure(charm, self.is_rest)
        lure = rank * conditions.misleading
        self.deters = DETERRED * conditions.deterring * rank
        self._charm = mechanism.charm_sd * charm + LURE_APPEAL * lure
        self._dose = mechanism.learning_rate * (1 - lure) * _effect(self._minutes, mechanism.half_dose_minutes)
        self._trend = np.where(self.is_rest, 0.0, TREND_APPEAL * conditions.drift * (1 - 2 * (self._kind % 2)))
        n = len(patients.ids)
        self.capacities = patients.capacities.copy()
        self.boredom = np.zeros((n, len(kinds)))
        self.fatigue, self.form = np.zeros(n), np.zeros(n)
        self.has_left = np.zeros(n, dtype=bool)
        self.sleep, self.hour = patients.sleep.copy(), patients.best_hour.copy()
        self._pleasure, self._deterred = np.full(n, 0.5), np.zeros(n)
        self._years = np.full(n, day) / DAYS_PER_YEAR

    def pass_day(self, rng: np.random.Generator, is_enrolled: np.ndarray, in_programme: np.ndarray) -> None:
        """One day: capacities of those enrolled drift, boredom and fatigue fade, some in the programme leave."""
        mechanism = self._mechanism
        self.rest(slice(None), is_enrolled.astype(float))
        illness = mechanism.capacity_mean - self.capacities.mean(axis=1)
        displeased = (1 + self._conditions.dropout) * (0.5 - self._pleasure)
        reluctance = mechanism.leaving_slope * displeased + mechanism.leaving_illness * illness + self._deterred
        hazard = mechanism.leaving_per_week / 7 * np.exp(reluctance)
        self.has_left |= in_programme & (rng.random(len(hazard)) < hazard)
        self._years += 1 / DAYS_PER_YEAR

    def rest(self, patients: np.ndarray | slice, days: np.ndarray) -> None:
        """Some patients live (n,) days without content: capacities drift, boredom and fatigue fade."""
        mechanism = self._mechanism
        drift = mechanism.drift_per_week / 7 * self._patients.drift_rate[patients] * days
        self.capacities[patients] = np.clip(self.capacities[patients] + drift[:, None], *CAPACITY_RANGE)
        self.boredom[patients] *= 0.5 ** (days / mechanism.boredom_half_life_days)[:, None]
        self.fatigue[patients] *= 0.5 ** (days / mechanism.fatigue_half_life_days)

    def gap(self, patients: np.ndarray, contents: np.ndarray | None = None) -> np.ndarray:
        """(n, k) levels by which each content is too hard today; negative is too easy."""
        mechanism, contents = self._mechanism, self._all if contents is None else contents
        short = np.maximum(SLEEP_NEEDED_HOURS - self.sleep[patients], 0) * mechanism.sleep_cost
        off = np.minimum(np.abs(self.hour[patients] - self._patients.best_hour[patients]) / HOURS_OFF, 1)
        spent = short + off * mechanism.hour_cost + self.fatigue[patients] * mechanism.fatigue_cost
        able = np.einsum("nc,nkc->nk", self.capacities[patients], self._trains[contents])
        return self._level[contents] - able + (spent - mechanism.challenge)[:, None]

    def fit(self, patients: np.ndarray, contents: np.ndarray | None = None) -> np.ndarray:
        """(n, k) the inverted U: 1 where the level is right, 0 far off and for a rest."""
        contents = self._all if contents is None else contents
        fit = np.exp(-0.5 * (self.gap(patients, contents) / self._mechanism.fit_width) ** 2)
        return np.where(self.is_rest[contents], 0.0, fit)

    def appeal(self, patients: np.ndarray, contents: np.ndarray | None = None) -> np.ndarray:
        """(n, k) what decides, with chance, what comes back."""
        mechanism, traits = self._mechanism, self._patients
        contents = self._all if contents is None else contents
        kind = self._kind[contents]
        of_kind = traits.tastes[patients] - mechanism.boredom_cost * self.boredom[patients]
        liked = np.take_along_axis(of_kind, np.broadcast_to(kind, (len(patients), kind.shape[1])), axis=1)
        trained = mechanism.fit_appeal * self.fit(patients, contents) + liked
        mood = traits.temper[patients] + FORM_APPEAL * self._conditions.confounding * self.form[patients]
        of_content = self._charm[contents] + self._years[patients, None] * self._trend[contents]
        return of_content + mood[:, None] + np.where(self.is_rest[contents], mechanism.rest_appeal, trained)

    def lean(self, patients: np.ndarray) -> np.ndarray:
        """(n, n_contents) log-odds by which form moves whoever chooses: to demanding contents on a good day."""
        demand = self._level / max(self._level.max(), 1.0) - 0.5
        return FORM_LEAN * self._conditions.confounding * self.form[patients, None] * demand

    def take(self, patients: np.ndarray, contents: np.ndarray, value: np.ndarray) -> None:
        """Each patient takes a content, (n,), and finds it worth ``value`` (F; NaN where it is unknown)."""
        mechanism = self._mechanism
        value = np.where(np.isnan(value), 0.5, value)
        fit = self.fit(patients, contents[:, None])[:, 0]
        learned = self._dose[contents] * self._patients.rate[patients] * fit
        learned *= LEAST_EFFORT + (1 - LEAST_EFFORT) * value
        grown = self.capacities[patients] + learned[:, None] * self._trains[contents]
        self.capacities[patients] = np.minimum(grown, CAPACITY_RANGE[1])
        bored = self.boredom[patients, self._kind[contents]]
        self.boredom[patients, self._kind[contents]] = bored + mechanism.boredom_gain * (1 - bored)
        tired = self.fatigue[patients]
        self.fatigue[patients] = tired + (1 - tired) * -np.expm1(-mechanism.fatigue_gain * self._minutes[contents] / 60)
        self._pleasure[patients] += PLEASURE_WEIGHT * (value - self._pleasure[patients])
        self._deterred[patients] = self.deters[contents]

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


def _lure(charm: np.ndarray, is_rest: np.ndarray) -> np.ndarray:
    """(n_contents,) rank of charm among those that train, -1 for the least, 1 for the most; 0 for a rest."""
    lure = np.zeros(len(charm))
    lure[~is_rest] = np.linspace(-1, 1, int((~is_rest).sum()))[charm[~is_rest].argsort().argsort()]
    return lure


def _effect(minutes: np.ndarray, half_dose: float) -> np.ndarray:
    """What a dose trains, 1 at the usual one; the Emax model."""
    return minutes / (minutes + half_dose) * (USUAL_MINUTES + half_dose) / USUAL_MINUTES
