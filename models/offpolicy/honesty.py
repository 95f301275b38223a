"""The honesty test: the estimators on a simulator fitted to the very log they are asked about.

What a policy is worth on a log nobody knows. On cohorts of a simulator
fitted to that log it is known, so there estimators can be caught: how far off
they are on average, whether their intervals hold, whether they put policies
in the right order. It tells about the log's patients as far as the simulator
is like them, which is what the fidelity report is for (Voloshin, Le, Jiang &
Yue 2021, NeurIPS Datasets and Benchmarks 1, on why estimators must be
compared in the setting they are used in).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import special, stats

from models.offpolicy.choices import LoggedChoices
from models.offpolicy.probes import probes
from models.offpolicy.propensities import propensities_of
from models.offpolicy.valuing import Asked, value_policies
from models.policies import Policy
from models.simulators import Fidelity, Fitted, FittedWorld, fidelity
from posology.bootstrap import LEVEL, Interval
from posology.errors import CannotDo
from posology.guardrails.finding import Verdict
from posology.simulators import Clinician, Cohort, treat
from posology.tables import Tables
from posology.therapy import Therapy

WORLDS = 10
LEAST_WORLDS = 3  # in which a figure must be known
LEAST_POLICIES = 3  # that can be ranked
MOST_PATIENTS = 400  # in one world
AS_LOGGED = Clinician(trying=0.0)  # in a fitted world the impression is the log's own way of choosing


@dataclass(frozen=True)
class Told:
    """How one estimator did.

    Attributes:
        estimator: its name.
        answered: share of the questions (one policy in one world) it answered.
        bias: its mean error over all policies, in units of F.
        worst_policy: the policy with the largest mean error.
        worst_bias: that error; its interval allows for having looked at all policies (Bonferroni).
        covered: share of its intervals that held the truth.
        ranks: mean over the worlds of Spearman's correlation of its values with the truth; None where too few
            policies were answered.
        verdict: fail where a policy's bias is beyond the margin for sure, pass where all are within it for sure.

    All but the first two and the verdict are None where it answered too little.
    """

    estimator: str
    answered: float
    bias: Interval | None
    worst_policy: str | None
    worst_bias: Interval | None
    covered: float | None
    ranks: Interval | None
    verdict: Verdict

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        ends = {
            f"{name}{suffix}": None if interval is None else getattr(interval, end)
            for name, interval in (("bias", self.bias), ("worst_bias", self.worst_bias), ("rank", self.ranks))
            for suffix, end in (("", "value"), ("_low", "low"), ("_high", "high"))
        }
        return {
            "estimator": self.estimator,
            "answered": self.answered,
            **ends,
            "worst_policy": self.worst_policy,
            "covered": self.covered,
            "verdict": self.verdict.value,
        }


@dataclass(frozen=True)
class Errors:
    """What estimators said in worlds whose truth is known.

    Attributes:
        policies: names.
        estimators: names.
        truth: (n_worlds, n_policies) mean true F of the decisions met.
        value: (n_worlds, n_policies, n_estimators); nan where evidence was insufficient.
        low: as value, the lower ends of the intervals.
        high: the upper ends.
    """

    policies: tuple[str, ...]
    estimators: tuple[str, ...]
    truth: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def told(self, margin: float) -> tuple[Told, ...]:
        """How each estimator did.

        Args:
            margin: of F, a bias that does no harm.
        """
        return tuple(self._told(place, margin) for place in range(len(self.estimators)))

    def _told(self, place: int, margin: float) -> Told:
        value = self.value[:, :, place]
        is_answered, error = ~np.isnan(value), value - self.truth
        by_policy = _by_policy(error)
        name, answered = self.estimators[place], float(is_answered.mean())
        if not by_policy:
            return Told(name, answered, None, None, None, None, None, Verdict.INSUFFICIENT)
        worst = max(by_policy, key=lambda policy: abs(by_policy[policy].value))
        is_in = (self.low[:, :, place] <= self.truth) & (self.truth <= self.high[:, :, place])
        return Told(
            estimator=name,
            answered=answered,
            bias=_over_worlds(_row_means(error[:, list(by_policy)]), LEVEL),
            worst_policy=self.policies[worst],
            worst_bias=by_policy[worst],
            covered=float(is_in[is_answered].mean()),
            ranks=_clipped(_over_worlds(_rank_correlations(value, self.truth), LEVEL)),
            verdict=_verdict(tuple(by_policy.values()), margin),
        )


@dataclass(frozen=True)
class Honesty:
    """The honesty test's answer.

    Attributes:
        told: one an estimator.
        policies: names of those that were valued.
        worlds: simulated cohorts.
        patients: in each.
        margin: of F, a bias that does no harm.
        fidelity: how far the simulator may be trusted.
    """

    told: tuple[Told, ...]
    policies: tuple[str, ...]
    worlds: int
    patients: int
    margin: float
    fidelity: Fidelity

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "estimators": [each.as_json() for each in self.told],
            "policies": list(self.policies),
            "worlds": self.worlds,
            "patients": self.patients,
            "margin": self.margin,
            "fidelity": {"verdict": str(self.fidelity.verdict), "warnings": list(self.fidelity.warnings)},
        }


def honesty(
    choices: LoggedChoices,
    tables: Tables,
    asked: Asked,
    *,
    margin: float,
    policies: Mapping[str, Policy] | None = None,
    worlds: int = WORLDS,
    step: Callable[[str], None] = lambda _: None,
    detail: Callable[[str], None] = lambda _: None,
) -> Honesty:
    """How the estimators do in a simulator fitted to the log of these decisions.

    Args:
        choices: the log's decisions that policies are valued on.
        tables: the whole log; the simulator is fitted to all of its patients, and judged on half of them.
        asked: estimators, and how they are used; estimators of single decisions only.
        margin: of F, a bias that does no harm.
        policies: valued beside the ``probes``.
        worlds: cohorts to simulate, each of as many patients as made the decisions, up to ``MOST_PATIENTS``.
        step: told what begins.
        detail: told how far it has come.

    Raises:
        CannotDo: estimators of runs are asked, or too few worlds.
        TooSmall: the log holds too little to fit a simulator.
    """
    therapy = choices.decisions.therapy
    step("Fit a simulator to the log")
    fitted = Fitted.fit(therapy, tables, seed=asked.seed)
    patients = min(choices.decisions.tables.users.height, MOST_PATIENTS)
    is_unknown = propensities_of(choices, asked.rule).is_estimated  # then they are estimated in the worlds too

    def cohorts() -> Iterator[Cohort]:
        for world in range(worlds + 1):
            detail(f"{world} of {worlds} cohorts")
            seed = asked.seed + 1 + world
            simulator = FittedWorld(fitted, patients=patients, seed=seed)
            yield treat(simulator, AS_LOGGED, seed=seed, withhold_propensities=is_unknown)

    step("Try the estimators on simulated patients like those of the log")
    errors = errors_in(therapy, cohorts(), asked, policies or {})
    step("Judge the simulator on held-out patients")
    return Honesty(
        told=errors.told(margin),
        policies=errors.policies,
        worlds=worlds,
        patients=patients,
        margin=margin,
        fidelity=fidelity(therapy, tables, seed=asked.seed),
    )


def errors_in(therapy: Therapy, cohorts: Iterator[Cohort], asked: Asked, policies: Mapping[str, Policy]) -> Errors:
    """What the estimators say of policies in simulated cohorts; the first cohort is what the probes learn from.

    Args:
        therapy: of the cohorts.
        cohorts: independent, of one simulator and one way of choosing; four or more.
        asked: estimators of single decisions.
        policies: valued beside the ``probes``.

    Raises:
        CannotDo: estimators of runs are asked, or too few cohorts.
    """
    if asked.of_runs:
        raise CannotDo("the honesty test knows the truth of single decisions; expected no estimator of runs")
    valued: dict[str, Policy] = {**probes(LoggedChoices.of(therapy, next(cohorts).tables)), **policies}
    truths, answers = [], []
    for cohort in cohorts:
        choices = LoggedChoices.of(therapy, cohort.tables)
        expected = expected_feedback(choices, cohort)
        truths.append(
            [(each.probabilities(choices.decisions) * expected).sum(axis=1).mean() for each in valued.values()]
        )
        found, _ = value_policies(choices, valued, asked)
        numbers = [(each.estimate.value, each.estimate.low, each.estimate.high) for each in found]
        answers.append(np.array(numbers, dtype=float).reshape(len(valued), len(asked.estimators), 3))
    if len(truths) < LEAST_WORLDS:
        raise CannotDo(f"expected {LEAST_WORLDS} worlds or more, got {len(truths)}: a bias needs an interval")
    return Errors(tuple(valued), asked.estimators, np.array(truths), *np.moveaxis(np.array(answers), -1, 0))


def expected_feedback(choices: LoggedChoices, cohort: Cohort) -> np.ndarray:
    """(n, n_contents) true mean of F in the log's decisions."""
    ids = choices.decisions.tables.sessions["decision_id"][choices.decisions.sessions]
    rows = pl.DataFrame({"decision_id": ids}).join(cohort.truth.decisions, on="decision_id", maintain_order="left")
    return np.array(rows["expected_feedback"].to_list())


def _by_policy(error: np.ndarray) -> dict[int, Interval]:
    """Place of the policy → its mean error, where it is known in enough worlds."""
    level = 1 - (1 - LEVEL) / error.shape[1]
    found = ((place, _over_worlds(error[:, place], level)) for place in range(error.shape[1]))
    return {place: interval for place, interval in found if interval}


def _over_worlds(values: np.ndarray, level: float) -> Interval | None:
    """Mean with Student's interval; None where too few are known."""
    known = values[~np.isnan(values)]
    if known.size < LEAST_WORLDS:
        return None
    half = special.stdtrit(known.size - 1, (1 + level) / 2) * known.std(ddof=1) / np.sqrt(known.size)
    return Interval(float(known.mean()), float(known.mean() - half), float(known.mean() + half))


def _clipped(interval: Interval | None) -> Interval | None:
    return Interval(interval.value, max(interval.low, -1.0), min(interval.high, 1.0)) if interval else None


def _row_means(values: np.ndarray) -> np.ndarray:
    """(n_rows,) mean of what is known; nan where nothing is."""
    known = ~np.isnan(values)
    total, count = np.where(known, values, 0).sum(axis=1), known.sum(axis=1)
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)


def _rank_correlations(value: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n_worlds,) Spearman's; nan where too few policies were answered or all values are one."""
    found = np.full(len(value), np.nan)
    for world, (said, true) in enumerate(zip(value, truth, strict=True)):
        known = ~np.isnan(said)
        if known.sum() >= LEAST_POLICIES and np.ptp(said[known]) > 0 and np.ptp(true[known]) > 0:
            found[world] = stats.spearmanr(said[known], true[known]).statistic
    return found


def _verdict(by_policy: tuple[Interval, ...], margin: float) -> Verdict:
    if any(each.low > margin or each.high < -margin for each in by_policy):
        return Verdict.FAIL
    is_within = all(-margin <= each.low and each.high <= margin for each in by_policy)
    return Verdict.PASS if is_within else Verdict.INSUFFICIENT
