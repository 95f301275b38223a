"""G101 and G102."""

from dataclasses import dataclass
from math import ceil
from typing import ClassVar

import numpy as np

from posology.bootstrap import Interval, Resamples
from posology.guardrails.evidence import Evidence, PredictionEvidence, Target
from posology.guardrails.finding import Verdict, worst
from posology.guardrails.guardrail import Answer, Figures, Guardrail
from posology.guardrails.predictions import loss_per_patient, predictions_of


@dataclass(frozen=True)
class BetterThanBaselines(Guardrail):
    """The squared error is below that of every baseline, by an interval that excludes zero.

    Each patient counts equally, predictor and baseline are compared on the
    same resamples. To beat every baseline all must be beaten, so no correction
    for their number is needed (Berger 1982, intersection-union test). Not shown
    but promising is insufficient evidence, otherwise a failure.

    Attributes:
        minimum_patients: judged on fewer, there is no answer.
        largest_growth: how many times today's patients may be needed to show
            today's difference for it to count as promising.
    """

    target: ClassVar[Target]

    minimum_patients: int
    largest_growth: float

    def _answer(self, evidence: Evidence) -> Answer:
        predictions = predictions_of(evidence, self.target, minimum_patients=self.minimum_patients)
        reductions = _reductions(predictions, evidence.rng(self.code))
        verdicts = {name: self._verdict(reduction) for name, reduction in reductions.items()}
        hardest = min(reductions, key=lambda name: reductions[name].low)
        found = worst(verdicts.values())
        return Answer(
            found,
            f"over {predictions.patients} patients the squared error is lower than that of the hardest "
            f"baseline, {hardest}, by {reductions[hardest]}{self._advice(found, reductions, predictions.patients)}",
            _figures(predictions, reductions),
        )

    def _verdict(self, reduction: Interval) -> Verdict:
        if reduction.low > 0:
            return Verdict.PASS
        return Verdict.INSUFFICIENT if _growth(reduction) <= self.largest_growth else Verdict.FAIL

    def _advice(self, verdict: Verdict, reductions: dict[str, Interval], patients: int) -> str:
        if verdict == Verdict.PASS:
            return ""
        if verdict == Verdict.FAIL:
            return "; the interval must lie above zero"
        more = ceil(patients * (max(map(_growth, reductions.values())) - 1)) + 1
        return f"; if that is the true difference, about {more} more patients would show it"


@dataclass(frozen=True)
class FeedbackBetterThanBaselines(BetterThanBaselines):
    """G101: see ``BetterThanBaselines``."""

    code: ClassVar[str] = "G101"
    title: ClassVar[str] = "Feedback is predicted better than by every baseline"
    target: ClassVar[Target] = "feedback"


@dataclass(frozen=True)
class StatusBetterThanBaselines(BetterThanBaselines):
    """G102: see ``BetterThanBaselines``."""

    code: ClassVar[str] = "G102"
    title: ClassVar[str] = "The final status is predicted better than by every baseline"
    target: ClassVar[Target] = "status"


def _reductions(predictions: PredictionEvidence, rng: np.random.Generator) -> dict[str, Interval]:
    own = loss_per_patient(predictions, predictions.predicted)
    baselines = [loss_per_patient(predictions, predicted) for predicted in predictions.baselines.values()]
    terms = np.stack([loss - own for loss in baselines], axis=1)
    drawn = Resamples.of(np.arange(len(own)), terms, rng)
    return {
        name: drawn.interval(lambda sums: sums[..., 0] / len(own), terms=slice(place, place + 1))
        for place, name in enumerate(predictions.baselines)
    }


def _growth(reduction: Interval) -> float:
    """How many times the patients would bring the lower end to zero, the value staying what it is."""
    if reduction.value <= 0:
        return float("inf")
    return ((reduction.value - reduction.low) / reduction.value) ** 2


def _figures(predictions: PredictionEvidence, reductions: dict[str, Interval]) -> Figures:
    loss = float(loss_per_patient(predictions, predictions.predicted).mean())
    figures: Figures = {"patients": predictions.patients, "squared_error": loss}
    for name, reduction in reductions.items():
        figures[f"reduction_from_{name}"] = reduction.value
        figures[f"reduction_from_{name}_low"] = reduction.low
        figures[f"reduction_from_{name}_high"] = reduction.high
    return figures
