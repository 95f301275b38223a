"""What a simulated patient is made of: the parameters of one therapy's mechanism."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

CAPACITY_RANGE = (0.0, 10.0)  # the scale of a content's ``level``
Columns = dict[str, Any]  # column name → (n,) values
Draw = Callable[[np.random.Generator, np.ndarray], Columns]  # (rng, capacities (n, n_capacities)) → columns


@dataclass(frozen=True)
class Answer:
    """One feedback column: the logistic of ``offset + slope × appeal`` is the mean share of its range.

    A number is Beta with ``precision``, or one of ``steps`` + 1 equal steps (Binomial).
    """

    offset: float
    slope: float
    precision: float = 0.0
    steps: int = 0

    def share(self, appeal: np.ndarray) -> np.ndarray:
        """Mean share of the range, in (0, 1), for each appeal."""
        return 1.0 / (1.0 + np.exp(-(self.offset + self.slope * appeal)))


@dataclass(frozen=True)
class Mechanism:
    """How the patients of one therapy learn, tire, answer and leave.

    A patient has capacities from 0 to 10, higher is healthier; a content
    draws on some of them and trains them. How well its ``level`` fits the
    capacity decides both what is learned and what comes back:
    ``fit = exp(-(level - capacity - challenge)² / (2 × fit_width²))``.

    Attributes:
        capacities: their names.
        capacity_mean: of all patients at enrolment.
        capacity_sd: between patients, in what all capacities share.
        capacity_own_sd: between patients, in each capacity by itself.
        score_at_zero: of the instrument, when every capacity is 0.
        score_per_capacity: points of the instrument for one unit of each capacity.
        measurement_sd: points; the instrument's standard error of measurement.
        score_step: points; the grid the instrument is scored on.
        drift_per_week: of every capacity without treatment, in the median patient; negative is decline.
        drift_spread: SD of the logarithm of a patient's own drift.
        feature: the content column whose values are the keys of ``trains``.
        trains: value → share of each capacity; all zero trains nothing.
        challenge: levels above the capacity at which a content fits best.
        fit_width: levels; one standard deviation of the inverted U.
        learning_rate: units of capacity a well fitting, completed content of 15 minutes adds.
        half_dose_minutes: the dose that trains half as much as an endless one would; what a
            content trains is ``minutes / (minutes + half_dose_minutes)`` (the Emax model of
            dose and effect: Holford & Sheiner 1981, Clin Pharmacokinet 6:429).
        learning_spread: SD of the logarithm of a patient's own learning rate.
        sleep_mean: hours a night, of all patients.
        sleep_cost: levels of capacity lost that day for each hour short of seven.
        hour_cost: levels of capacity lost six hours or more from a patient's best hour of day.
        fatigue_gain: share of the way to exhaustion that an hour of content goes.
        fatigue_half_life_days: of fatigue without content.
        fatigue_cost: levels of capacity that exhaustion takes.
        fit_appeal: what a perfect fit adds to appeal over none.
        rest_appeal: of a content that trains nothing.
        boredom_cost: what full boredom takes from appeal.
        boredom_gain: share of the way to full boredom that one content goes.
        boredom_half_life_days: of boredom without that kind of content.
        taste_sd: between patients, for each kind of content.
        temper_sd: between patients, for all contents alike.
        charm_sd: between contents, for all patients alike.
        answers: feedback column → how it is answered.
        silence: how likely no feedback comes.
        late_share: of feedback that comes after it was due, when the phone is online again.
        complaints: what is written by those whose capacity is low, phrases for each.
        leaving_per_week: hazard of dropping out where F is 0.5.
        leaving_slope: of the logarithm of that hazard, per unit of recent F.
        leaving_illness: of the logarithm of that hazard, per unit of capacity below the mean at enrolment.
        sessions_per_week: of the mean patient.
        draw_users: U columns from the capacities at enrolment.
        draw_feelings: context columns besides sleep and hour, from the capacities now.
    """

    capacities: tuple[str, ...]
    capacity_mean: float
    capacity_sd: float
    capacity_own_sd: float
    score_at_zero: float
    score_per_capacity: tuple[float, ...]
    measurement_sd: float
    score_step: float
    drift_per_week: float
    feature: str
    trains: Mapping[str, tuple[float, ...]]
    learning_rate: float
    answers: Mapping[str, Answer]
    draw_users: Draw
    draw_feelings: Draw
    silence: Answer
    complaints: tuple[tuple[str, ...], ...]
    late_share: float = 0.02
    drift_spread: float = 0.5
    half_dose_minutes: float = 6.0
    hour_cost: float = 0.5
    fatigue_gain: float = 0.8
    fatigue_half_life_days: float = 1.0
    fatigue_cost: float = 0.6
    challenge: float = 0.5
    fit_width: float = 1.6
    learning_spread: float = 0.3
    sleep_mean: float = 6.8
    sleep_cost: float = 0.4
    fit_appeal: float = 2.0
    rest_appeal: float = -0.5
    boredom_cost: float = 1.4
    boredom_gain: float = 0.25
    boredom_half_life_days: float = 4.0
    taste_sd: float = 0.4
    temper_sd: float = 0.5
    charm_sd: float = 0.2
    leaving_per_week: float = 0.025
    leaving_slope: float = 6.0
    leaving_illness: float = 0.15
    sessions_per_week: float = 4.0

    def __post_init__(self) -> None:
        sizes = {len(self.score_per_capacity), len(self.complaints), *(len(shares) for shares in self.trains.values())}
        if sizes != {len(self.capacities)}:
            raise ValueError(f"expected one number for each of {', '.join(self.capacities)}, got rows of {sizes}")
        if any(shares and sum(shares) and abs(sum(shares) - 1) > 1e-9 for shares in self.trains.values()):
            raise ValueError("the shares a kind of content trains must sum to 1, or to 0 for a rest")
