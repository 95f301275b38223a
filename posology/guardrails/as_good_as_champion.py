"""G201."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from posology.bootstrap import Interval, Resamples, ratio
from posology.guardrails.evidence import TARGETS, Evidence, Target
from posology.guardrails.finding import worst
from posology.guardrails.guardrail import Answer, Figures, Guardrail, NotApplicable
from posology.guardrails.noninferiority import compare_with_margin
from posology.guardrails.predictions import loss_per_patient, predictions_of


@dataclass(frozen=True)
class AsGoodAsChampion(Guardrail):
    """The squared error is not above the champion's by more than a margin, for every target both predict.

    Both predict the same held-out rows and each patient counts equally.

    Attributes:
        minimum_patients: judged on fewer, there is no answer.
        margin: of the candidate's squared error over the champion's, as a share of the champion's.
    """

    code: ClassVar[str] = "G201"
    title: ClassVar[str] = "The predictors are as good as the champion's"

    minimum_patients: int
    margin: float

    def _answer(self, evidence: Evidence) -> Answer:
        champions = _champions(evidence)
        if not champions:
            raise NotApplicable("there is no champion to compare with")
        excess = {target: self._excess(evidence, target, champion) for target, champion in champions.items()}
        said = "; ".join(f"{target} {interval}" for target, interval in excess.items())
        return Answer(
            worst(compare_with_margin(interval, self.margin) for interval in excess.values()),
            f"squared error above the champion's, as a share of it: {said}; no interval may go above {self.margin:g}",
            _figures(excess),
        )

    def _excess(self, evidence: Evidence, target: Target, champion: np.ndarray) -> Interval:
        predictions = predictions_of(evidence, target, minimum_patients=self.minimum_patients)
        losses = [loss_per_patient(predictions, predicted) for predicted in (predictions.predicted, champion)]
        drawn = Resamples.of(np.arange(len(losses[0])), np.stack(losses, axis=1), evidence.rng(f"{self.code} {target}"))
        return drawn.interval(lambda sums: ratio(sums) - 1)


def _champions(evidence: Evidence) -> dict[Target, np.ndarray]:
    """What the champion predicts, where it and the candidate both predict."""
    both = {target: evidence.prediction(target) for target in TARGETS}
    return {target: found.champion for target, found in both.items() if found and found.champion is not None}


def _figures(excess: dict[Target, Interval]) -> Figures:
    figures: Figures = {}
    for target, interval in excess.items():
        figures[f"{target}_relative_excess"] = interval.value
        figures[f"{target}_relative_excess_low"] = interval.low
        figures[f"{target}_relative_excess_high"] = interval.high
    return figures
