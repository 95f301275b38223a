"""A policy against what was logged: passed, failed, or how much more it takes to know."""

import math
from dataclasses import dataclass

import numpy as np

from posology.bootstrap import Interval
from posology.guardrails.finding import Verdict
from posology.guardrails.noninferiority import compare_with_margin
from posology.offpolicy.evaluation import Comparison, Estimate
from posology.offpolicy.log import LoggedDecisions
from posology.offpolicy.overlap import ROUNDING, OverlapRule


@dataclass(frozen=True)
class AgainstLogged:
    """What an estimate says of a policy beside the logged one.

    Attributes:
        verdict: pass when the policy is not worse by more than the margin.
        reason: why there is no verdict; empty when there is one.
        more_decisions: that would settle it, roughly; None when settled, or when no number would.
    """

    verdict: Verdict
    reason: str = ""
    more_decisions: int | None = None


def against_logged(
    estimate: Estimate, log: LoggedDecisions, *, margin: float, rule: OverlapRule | None = None
) -> AgainstLogged:
    """The verdict of one estimate.

    Intervals shrink with the root of the number of decisions, if what is
    logged stays alike: a difference d with half width h from a margin m is
    settled by n (h / |d + m|)² decisions. An effective sample size grows with n.

    Args:
        estimate: of ``evaluate`` on the log.
        log: what it was made from.
        margin: how far below the logged mean F is still as good, 0 or more.
        rule: by which the log was held able to judge.
    """
    if nothing := _nothing_to_tell(log):
        return AgainstLogged(Verdict.INSUFFICIENT, nothing)
    if estimate.difference is None:
        return AgainstLogged(Verdict.INSUFFICIENT, estimate.reason, _until_large_enough(estimate, len(log), rule))
    if estimate.verdict == Comparison.DIAGNOSTIC:
        return AgainstLogged(Verdict.NOT_APPLICABLE, "a diagnostic, to be read beside the others")
    worse = Interval(-estimate.difference.value, -estimate.difference.high, -estimate.difference.low)
    verdict = compare_with_margin(worse, margin)
    if verdict != Verdict.INSUFFICIENT:
        return AgainstLogged(verdict)
    said = f"the difference from the logged mean, {estimate.difference}, lies on both sides of {-margin:g}"
    return AgainstLogged(verdict, said, _until_narrow_enough(estimate.difference, margin, len(log)))


def _nothing_to_tell(log: LoggedDecisions) -> str:
    if np.ptp(log.reward) <= ROUNDING:
        return "feedback is the same in every decision: no policy can be told from another"
    if (log.n_eligible == 1).all():
        return "one content alone was eligible in every decision: there was nothing to choose"
    return ""


def _until_large_enough(estimate: Estimate, n: int, rule: OverlapRule | None) -> int | None:
    least = (rule or OverlapRule()).minimum_effective_sample_size
    size = estimate.effective_sample_size
    return math.ceil(n * (least / size - 1)) if size and size < least else None


def _until_narrow_enough(difference: Interval, margin: float, n: int) -> int | None:
    gap = difference.value + margin
    half = difference.value - difference.low if gap > 0 else difference.high - difference.value
    return math.ceil(n * ((half / gap) ** 2 - 1)) if abs(gap) > ROUNDING and half > abs(gap) else None
