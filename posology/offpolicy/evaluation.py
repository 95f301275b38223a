"""What mean F a policy would have had on a log of another policy's decisions, or why that cannot be known."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

import numpy as np

from posology.bootstrap import LEVEL, RESAMPLES, Interval, Resamples, ratio
from posology.errors import TooSmall
from posology.offpolicy.bernstein import bernstein_interval
from posology.offpolicy.clipped import Clipped
from posology.offpolicy.direct_method import DirectMethod
from posology.offpolicy.doubly_robust import DoublyRobust
from posology.offpolicy.estimator import Estimator
from posology.offpolicy.ips import IPS
from posology.offpolicy.log import LoggedDecisions
from posology.offpolicy.overlap import ROUNDING, OverlapRule
from posology.offpolicy.self_normalised import SelfNormalised
from posology.offpolicy.self_normalised_doubly_robust import SelfNormalisedDoublyRobust
from posology.offpolicy.shrinkage import Shrinkage
from posology.offpolicy.switch import Switch

ESTIMATORS: tuple[Estimator[LoggedDecisions], ...] = (
    IPS(),
    SelfNormalised(),
    Clipped(),
    DoublyRobust(),
    SelfNormalisedDoublyRobust(),
    Switch(),
    Shrinkage(),
    DirectMethod(),
)


class Log(Protocol):
    """Rows of decisions, or of sequences of them, made by patients."""

    @property
    def patient(self) -> np.ndarray:
        """(n,) whose row it is."""

    @property
    def reward(self) -> np.ndarray:
        """(n,) the F it brought."""


AnyLog = TypeVar("AnyLog", bound=Log)


class Comparison(StrEnum):
    """A policy against what was logged."""

    BETTER = "better than logged"
    WORSE = "worse than logged"
    NO_DIFFERENCE = "no difference shown"
    DIAGNOSTIC = "diagnostic only"
    INSUFFICIENT = "insufficient evidence"


@dataclass(frozen=True)
class Estimate:
    """One estimator's answer; all numbers but the effective sample size are None when evidence is insufficient.

    Attributes:
        estimator: its name.
        value: mean F under the target policy.
        low: lower end of its interval.
        high: upper end of its interval.
        effective_sample_size: decisions (Kish); None when no propensity is known.
        difference: value minus the logged mean F of the same decisions, paired.
        verdict: by the interval of the difference.
        reason: why evidence is insufficient; empty otherwise.
        bernstein: an interval that holds at any number of patients, wide; None
            where the estimate is not a mean. See ``bernstein_interval``.
    """

    estimator: str
    value: float | None
    low: float | None
    high: float | None
    effective_sample_size: float | None
    difference: Interval | None
    verdict: Comparison
    reason: str = ""
    bernstein: Interval | None = None


def evaluate(
    log: LoggedDecisions,
    estimators: Sequence[Estimator[LoggedDecisions]],
    rng: np.random.Generator,
    *,
    rule: OverlapRule | None = None,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> list[Estimate]:
    """One estimate per estimator, all on the same resamples of patients.

    The value is that of following the target policy in one decision where the
    logging policy was followed before: what a choice does to later sessions is
    not in it.

    Args:
        log: decisions of patients that the target policy and q were not fitted on.
        estimators: for example ``ESTIMATORS``.
        rng: the same state gives the same answer.
        rule: when the log cannot judge the policy.
        resamples: of patients.
        level: of the intervals.
    """
    overlap = (rule or OverlapRule()).diagnose(log, rng)
    size = overlap.effective_sample_size
    if overlap.reasons:
        return [insufficient(each, overlap.reasons, size) for each in estimators]
    return estimates(log.where(log.has_propensity), estimators, rng, size=size, resamples=resamples, level=level)


def estimates(
    log: AnyLog,
    estimators: Sequence[Estimator[AnyLog]],
    rng: np.random.Generator,
    *,
    size: float | None,
    resamples: int,
    level: float,
) -> list[Estimate]:
    """Estimates from a log that can judge the policy; insufficient where an interval is undefined."""
    columns = [np.stack([log.reward, np.ones(len(log.reward))], axis=1), *(each.terms(log) for each in estimators)]
    ends = np.cumsum([part.shape[1] for part in columns])
    try:
        drawn = Resamples.of(log.patient, np.concatenate(columns, axis=1), rng, resamples=resamples)
    except TooSmall as error:
        return [insufficient(each, (str(error),), size) for each in estimators]
    places = zip(estimators, columns[1:], ends[:-1], ends[1:], strict=True)
    return [
        _estimate(each, drawn, slice(begin, end), bound=_bound(each, log, terms[:, 0], level), size=size, level=level)
        for each, terms, begin, end in places
    ]


def insufficient(estimator: Estimator[AnyLog], reasons: Sequence[str], size: float | None) -> Estimate:
    """No number, and why."""
    return Estimate(
        estimator=estimator.name,
        value=None,
        low=None,
        high=None,
        effective_sample_size=size,
        difference=None,
        verdict=Comparison.INSUFFICIENT,
        reason="; ".join(reasons),
    )


def _bound(estimator: Estimator[AnyLog], log: AnyLog, terms: np.ndarray, level: float) -> Interval | None:
    span = estimator.span(log)
    return bernstein_interval(log.patient, terms, span, level=level) if span else None


def _estimate(
    estimator: Estimator[AnyLog],
    drawn: Resamples,
    terms: slice,
    *,
    bound: Interval | None,
    size: float | None,
    level: float,
) -> Estimate:
    def above_logged(sums: np.ndarray) -> np.ndarray:
        return estimator.value(sums[..., terms]) - ratio(sums[..., :2])

    try:
        value = drawn.interval(estimator.value, terms=terms, level=level)
        difference = drawn.interval(above_logged, level=level)
    except TooSmall as error:
        return insufficient(estimator, (str(error),), size)
    return Estimate(
        estimator=estimator.name,
        value=value.value,
        low=value.low,
        high=value.high,
        effective_sample_size=size,
        difference=difference,
        verdict=Comparison.DIAGNOSTIC if estimator.is_diagnostic else _compare(difference),
        bernstein=bound,
    )


def _compare(difference: Interval) -> Comparison:
    if difference.low > ROUNDING:
        return Comparison.BETTER
    return Comparison.WORSE if difference.high < -ROUNDING else Comparison.NO_DIFFERENCE
