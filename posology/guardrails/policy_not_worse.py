"""G401."""

from dataclasses import dataclass
from typing import ClassVar

from posology.bootstrap import Interval
from posology.errors import TooSmall
from posology.guardrails.evidence import Evidence
from posology.guardrails.finding import worst
from posology.guardrails.guardrail import Answer, Figures, Guardrail, NotApplicable
from posology.guardrails.noninferiority import compare_with_margin
from posology.offpolicy.doubly_robust import DoublyRobust
from posology.offpolicy.evaluation import Estimate, evaluate
from posology.offpolicy.overlap import OverlapRule
from posology.offpolicy.self_normalised import SelfNormalised

JUDGES = (SelfNormalised(), DoublyRobust())  # they fail for different reasons, so both must agree


@dataclass(frozen=True)
class PolicyNotWorse(Guardrail):
    """By two off-policy estimators the mean F under the candidate's policy is not below the logged one.

    Attributes:
        margin: how far below is still as good, in units of F.
        minimum_effective_sample_size: see ``OverlapRule``.
        largest_patient_share: see ``OverlapRule``.
        largest_unusable_share: see ``OverlapRule``.
        weight_tolerance: see ``OverlapRule``.
    """

    code: ClassVar[str] = "G401"
    title: ClassVar[str] = "The policy is not worse than what was logged"

    margin: float
    minimum_effective_sample_size: float
    largest_patient_share: float
    largest_unusable_share: float
    weight_tolerance: float

    @property
    def overlap_rule(self) -> OverlapRule:
        """When the log cannot judge the policy."""
        return OverlapRule(
            minimum_effective_sample_size=self.minimum_effective_sample_size,
            largest_patient_share=self.largest_patient_share,
            largest_unusable_share=self.largest_unusable_share,
            weight_tolerance=self.weight_tolerance,
        )

    def _answer(self, evidence: Evidence) -> Answer:
        if "feedback" not in evidence.declared:
            raise NotApplicable("the therapy declares no feedback to value a policy by")
        if evidence.logged is None:
            raise TooSmall("there are no logged decisions of held-out patients to judge the policy on")
        estimates = evaluate(evidence.logged, JUDGES, evidence.rng(self.code), rule=self.overlap_rule)
        differences = _differences(estimates)
        verdicts = [compare_with_margin(_mirrored(each), self.margin) for each in differences.values()]
        said = "; ".join(f"{name}: {difference}" for name, difference in differences.items())
        return Answer(
            worst(verdicts),
            f"mean feedback under the policy minus the logged one, {said}; no interval may go below {-self.margin:g}",
            _figures(estimates),
        )


def _differences(estimates: list[Estimate]) -> dict[str, Interval]:
    differences = {each.estimator: each.difference for each in estimates if each.difference is not None}
    if len(differences) < len(estimates):
        raise TooSmall(f"the log cannot judge the policy: {'; '.join(sorted({each.reason for each in estimates}))}")
    return differences


def _mirrored(difference: Interval) -> Interval:
    """How much worse instead of how much better."""
    return Interval(-difference.value, -difference.high, -difference.low)


def _figures(estimates: list[Estimate]) -> Figures:
    figures: Figures = {}
    for each in estimates:
        if each.value is not None and each.difference is not None and each.effective_sample_size is not None:
            figures["effective_sample_size"] = each.effective_sample_size
            figures[f"{each.estimator}_value"] = each.value
            figures[f"{each.estimator}_difference"] = each.difference.value
            figures[f"{each.estimator}_difference_low"] = each.difference.low
            figures[f"{each.estimator}_difference_high"] = each.difference.high
    return figures
