"""The off-policy value of policies on a log."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from flows.evaluation.policies import LOGGED
from models.offpolicy import LoggedChoices, coarse_states, cross_fitted_q, propensities_of, runs_of
from models.policies import Policy
from posology.errors import NotFound
from posology.guardrails.against_logged import AgainstLogged, against_logged
from posology.guardrails.finding import Verdict, worst
from posology.offpolicy import ESTIMATORS, LoggedDecisions, OverlapRule, evaluate
from posology.offpolicy.evaluation import Estimate
from posology.offpolicy.sequential import SEQUENTIAL, Trajectories, evaluate_runs

JUDGES = ("self_normalised", "doubly_robust")  # they fail for different reasons, so both must agree; as G401
ONE_STEP = {each.name: each for each in ESTIMATORS}
OF_RUNS = {each.name: each for each in SEQUENTIAL}
ALL = (*ONE_STEP, *OF_RUNS)


@dataclass(frozen=True)
class Question:
    """How policies are to be valued.

    Attributes:
        estimators: names, of ``ALL``.
        margin: how far below the logged mean F is still as good.
        rule: when a log can judge a policy.
        horizon: decisions in a run, for estimators of runs.
        discount: of F a decision later, in a run.
        seed: of the resampling.
    """

    estimators: tuple[str, ...]
    margin: float
    rule: OverlapRule
    horizon: int
    discount: float
    seed: int

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.estimators) - set(ALL)):
            raise NotFound(f"no estimator {', '.join(unknown)}: expected {', '.join(ALL)}")


@dataclass(frozen=True)
class Valued:
    """One policy by one estimator."""

    policy: str
    estimate: Estimate
    against: AgainstLogged
    propensities: str  # "logged" or "estimated"

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        found, bound, difference = self.estimate, self.estimate.bernstein, self.estimate.difference
        return {
            "policy": self.policy,
            "estimator": found.estimator,
            "value": found.value,
            "low": found.low,
            "high": found.high,
            "effective_sample_size": found.effective_sample_size,
            "verdict": self.against.verdict.value,
            "difference": asdict(difference) if difference else None,
            "bernstein_low": bound.low if bound else None,
            "bernstein_high": bound.high if bound else None,
            "more_decisions": self.against.more_decisions,
            "propensities": self.propensities,
            "reason": self.against.reason,
        }


def off_policy_values(
    choices: LoggedChoices, policies: Mapping[str, Policy | None], question: Question, step: Callable[[str], None]
) -> list[Valued]:
    """Every policy by every estimator, all policies with the same predictions and propensities."""
    step("Predict F, each patient by the others")
    q = cross_fitted_q(choices)
    step("Look up or estimate propensities")
    known = propensities_of(choices, question.rule)
    source = "estimated" if known.is_estimated else "logged"
    state = coarse_states(choices, q, OF_RUNS["marginalised"].states)  # type: ignore[attr-defined]
    found = []
    for name, policy in policies.items():
        step(f"Value the policy {name}")
        log, runs = _seen(choices, policy, question, propensity=known.given, q=q, state=state)
        found += [Valued(name, *pair, source) for pair in _judged(log, runs, question)]
    return found


def answer(valued: Sequence[Valued]) -> Verdict:
    """The verdict over the policies: that of the estimators that judge, where they were asked, else of all."""
    asked = [each for each in valued if each.policy != LOGGED]
    judges = [each for each in asked if each.estimate.estimator in JUDGES] or asked
    verdicts = [each.against.verdict for each in judges if each.against.verdict != Verdict.NOT_APPLICABLE]
    return worst(verdicts) if verdicts else Verdict.PASS


def _seen(
    choices: LoggedChoices,
    policy: Policy | None,
    question: Question,
    *,
    propensity: np.ndarray,
    q: np.ndarray,
    state: np.ndarray,
) -> tuple[LoggedDecisions, Trajectories | None]:
    """The log under a policy: decisions, and runs of them where an estimator asks."""
    eligible = choices.decisions.eligible
    probability = policy.probabilities(choices.decisions) if policy else np.eye(eligible.shape[1])[choices.given]
    log = choices.under(probability, propensity, q) if policy else choices.as_logged(propensity, q)
    if not set(question.estimators) & set(OF_RUNS):
        return log, None
    runs = runs_of(choices, probability, propensity, state, horizon=question.horizon, discount=question.discount)
    if policy is None:  # what was given is the logged policy's own sample of what it gives
        runs = replace(runs, target=np.nan_to_num(runs.propensity, nan=1.0))
    return log, runs


def _judged(
    log: LoggedDecisions, runs: Trajectories | None, question: Question
) -> list[tuple[Estimate, AgainstLogged]]:
    rng = np.random.default_rng(question.seed)
    one_step = [ONE_STEP[name] for name in question.estimators if name in ONE_STEP]
    pairs = [(each, log) for each in evaluate(log, one_step, rng, rule=question.rule)]
    if runs is not None:
        of_runs = [OF_RUNS[name] for name in question.estimators if name in OF_RUNS]
        pairs += [(each, runs.runs) for each in evaluate_runs(runs, of_runs, rng, rule=question.rule)]
    return [(each, against_logged(each, seen, margin=question.margin, rule=question.rule)) for each, seen in pairs]
