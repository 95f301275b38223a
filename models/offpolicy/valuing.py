"""Every policy's value by every estimator, on one log."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from models.offpolicy.choices import LoggedChoices
from models.offpolicy.predicted import cross_fitted_q
from models.offpolicy.propensities import Propensities, propensities_of
from models.offpolicy.runs import coarse_states, runs_of
from models.policies import Policy
from posology.bootstrap import RESAMPLES
from posology.errors import NotFound
from posology.offpolicy import ESTIMATORS, Estimate, LoggedDecisions, OverlapRule, evaluate
from posology.offpolicy.estimator import Estimator
from posology.offpolicy.sequential import SEQUENTIAL, Trajectories, evaluate_runs
from posology.offpolicy.sequential.evaluation import SequentialEstimator
from posology.offpolicy.sequential.marginalised import Marginalised

ONE_STEP = {each.name: each for each in ESTIMATORS}
OF_RUNS = {each.name: each for each in SEQUENTIAL}
ALL = (*ONE_STEP, *OF_RUNS)
STATES = next(each.states for each in SEQUENTIAL if isinstance(each, Marginalised))


@dataclass(frozen=True)
class Asked:
    """How policies are to be valued.

    Attributes:
        one_step: estimators of single decisions.
        of_runs: estimators of runs of decisions.
        rule: when a log can judge a policy.
        horizon: decisions in a run.
        discount: of F a decision later, in a run.
        resamples: of patients.
        seed: of the resampling.
        predict: gives (n, n_contents) predicted F, for estimators that use one.
    """

    one_step: tuple[Estimator[LoggedDecisions], ...] = ESTIMATORS
    of_runs: tuple[SequentialEstimator, ...] = ()
    rule: OverlapRule = field(default_factory=OverlapRule)
    horizon: int = 3
    discount: float = 1.0
    resamples: int = RESAMPLES
    seed: int = 7
    predict: Callable[[LoggedChoices], np.ndarray] = cross_fitted_q

    @property
    def estimators(self) -> tuple[str, ...]:
        """Their names, in the order of the estimates."""
        return (*(each.name for each in self.one_step), *(each.name for each in self.of_runs))


class Valuation(NamedTuple):
    """One policy by one estimator.

    Attributes:
        policy: its name.
        estimate: the answer.
        log: what it was made from; runs as if each were one decision.
    """

    policy: str
    estimate: Estimate
    log: LoggedDecisions


def estimators_named(
    names: tuple[str, ...],
) -> tuple[tuple[Estimator[LoggedDecisions], ...], tuple[SequentialEstimator, ...]]:
    """Estimators of single decisions and of runs.

    Raises:
        NotFound: there is no such estimator.
    """
    if unknown := sorted(set(names) - set(ALL)):
        raise NotFound(f"no estimator {', '.join(unknown)}: expected {', '.join(ALL)}")
    return (
        tuple(ONE_STEP[name] for name in names if name in ONE_STEP),
        tuple(OF_RUNS[name] for name in names if name in OF_RUNS),
    )


def value_policies(
    choices: LoggedChoices,
    policies: Mapping[str, Policy | None],
    asked: Asked,
    step: Callable[[str], None] = lambda _: None,
) -> tuple[list[Valuation], Propensities]:
    """Every policy by every estimator, all policies with the same predictions and propensities.

    Args:
        choices: the log's decisions.
        policies: by name; None is the logged policy itself.
        asked: how.
        step: told what begins.
    """
    step("Predict F, each patient by the others")
    q = asked.predict(choices)
    step("Look up or estimate propensities")
    known = propensities_of(choices, asked.rule)
    found: list[Valuation] = []
    for name, policy in policies.items():
        step(f"Value the policy {name}")
        found += (Valuation(name, *pair) for pair in _valued(choices, policy, asked, propensity=known.given, q=q))
    return found, known


def _valued(
    choices: LoggedChoices, policy: Policy | None, asked: Asked, *, propensity: np.ndarray, q: np.ndarray
) -> Iterator[tuple[Estimate, LoggedDecisions]]:
    rng, eligible = np.random.default_rng(asked.seed), choices.decisions.eligible
    probability = policy.probabilities(choices.decisions) if policy else np.eye(eligible.shape[1])[choices.given]
    log = choices.under(probability, propensity, q) if policy else choices.as_logged(propensity, q)
    for each in evaluate(log, asked.one_step, rng, rule=asked.rule, resamples=asked.resamples):
        yield each, log
    if not asked.of_runs:
        return
    runs = _runs(choices, probability, asked, propensity=propensity, q=q)
    if policy is None:  # what was given is the logged policy's own sample of what it gives
        runs = replace(runs, target=np.nan_to_num(runs.propensity, nan=1.0))
    for each in evaluate_runs(runs, asked.of_runs, rng, rule=asked.rule, resamples=asked.resamples):
        yield each, runs.runs


def _runs(
    choices: LoggedChoices, probability: np.ndarray, asked: Asked, *, propensity: np.ndarray, q: np.ndarray
) -> Trajectories:
    state = coarse_states(choices, q, STATES)
    return runs_of(choices, probability, propensity, state, horizon=asked.horizon, discount=asked.discount)
