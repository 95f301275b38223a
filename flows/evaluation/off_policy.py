"""The off-policy value of policies on a log, and what to say of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flows.evaluation.policies import LOGGED
from models.offpolicy import Asked, LoggedChoices, value_policies
from models.policies import Policy
from posology.guardrails.against_logged import AgainstLogged, against_logged
from posology.guardrails.finding import Verdict, worst
from posology.offpolicy import Estimate

JUDGES = ("self_normalised", "doubly_robust")  # they fail for different reasons, so both must agree; as G401


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
    choices: LoggedChoices,
    policies: Mapping[str, Policy | None],
    asked: Asked,
    margin: float,
    step: Callable[[str], None],
) -> list[Valued]:
    """Every policy by every estimator, against what was logged.

    Args:
        choices: the log's decisions.
        policies: by name; None is the logged policy itself.
        asked: how they are valued.
        margin: how far below the logged mean F is still as good.
        step: told what begins.
    """
    found, known = value_policies(choices, policies, asked, step)
    source = "estimated" if known.is_estimated else "logged"
    return [
        Valued(policy, estimate, against_logged(estimate, log, margin=margin, rule=asked.rule), source)
        for policy, estimate, log in found
    ]


def answer(valued: Sequence[Valued]) -> Verdict:
    """The verdict over the policies: that of the estimators that judge, where they were asked, else of all."""
    asked = [each for each in valued if each.policy != LOGGED]
    judges = [each for each in asked if each.estimate.estimator in JUDGES] or asked
    verdicts = [each.against.verdict for each in judges if each.against.verdict != Verdict.NOT_APPLICABLE]
    return worst(verdicts) if verdicts else Verdict.PASS
