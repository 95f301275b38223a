"""What mean F a policy would have had over runs of decisions, or why that cannot be known."""

from collections.abc import Sequence
from typing import ClassVar, Protocol

import numpy as np

from posology.bootstrap import LEVEL, RESAMPLES
from posology.offpolicy.estimator import Estimator
from posology.offpolicy.evaluation import Estimate, estimates, insufficient
from posology.offpolicy.overlap import OverlapRule
from posology.offpolicy.sequential.doubly_robust import SequentialDoublyRobust
from posology.offpolicy.sequential.fitted_q import FittedQ
from posology.offpolicy.sequential.marginalised import Marginalised
from posology.offpolicy.sequential.per_decision import PerDecision
from posology.offpolicy.sequential.trajectories import Trajectories
from posology.offpolicy.sequential.weighted_doubly_robust import WeightedDoublyRobust
from posology.offpolicy.sequential.weighted_per_decision import WeightedPerDecision


class SequentialEstimator(Estimator[Trajectories], Protocol):
    """An estimator of runs.

    Attributes:
        by_whole_run: whether runs are weighted by the product over their decisions.
    """

    by_whole_run: ClassVar[bool]


SEQUENTIAL: tuple[SequentialEstimator, ...] = (
    PerDecision(),
    WeightedPerDecision(),
    SequentialDoublyRobust(),
    WeightedDoublyRobust(),
    Marginalised(),
    FittedQ(),
)


def evaluate_runs(
    log: Trajectories,
    estimators: Sequence[SequentialEstimator],
    rng: np.random.Generator,
    *,
    rule: OverlapRule | None = None,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> list[Estimate]:
    """One estimate per estimator, all on the same resamples of patients.

    The value is the mean F of a run, discounted, when the target policy is
    followed through the run and the logging policy was followed before.
    Overlap is that of whole runs, or of single decisions, as the estimator weighs.

    Args:
        log: runs of patients that the target policy and Q were not fitted on.
        estimators: for example ``SEQUENTIAL``.
        rng: the same state gives the same answer.
        rule: when the log cannot judge the policy.
        resamples: of patients.
        level: of the intervals.
    """
    rule = rule or OverlapRule()
    seed = int(rng.integers(2**63))
    found: dict[str, Estimate] = {}
    for by_whole_run in (True, False):
        some = [each for each in estimators if each.by_whole_run == by_whole_run]
        if not some:
            continue
        overlap = rule.diagnose(log.runs if by_whole_run else log.steps, np.random.default_rng(seed))
        size = overlap.effective_sample_size
        if overlap.reasons:
            found |= {each.name: insufficient(each, overlap.reasons, size) for each in some}
            continue
        known, draws = log.where(log.has_propensity), np.random.default_rng(seed)
        answers = estimates(known, some, draws, size=size, resamples=resamples, level=level)
        found |= {answer.estimator: answer for answer in answers}
    return [found[each.name] for each in estimators]
