"""G103 and G104."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from posology.bootstrap import Interval, Resamples, mean_per_patient, ratio
from posology.guardrails.evidence import Evidence, PredictionEvidence, Target
from posology.guardrails.finding import Verdict
from posology.guardrails.guardrail import Answer, Guardrail
from posology.guardrails.predictions import predictions_of


@dataclass(frozen=True)
class IntervalCoverage(Guardrail):
    """The interval holds the truth as often as it promises, each patient counting equally.

    Intervals that hold it more often than promised are only reported, with
    their mean width.

    Attributes:
        minimum_patients: judged on fewer, there is no answer.
        tolerance: how far below the promised coverage is still right, 0 to 1.
        largest_margin: half the width of the coverage's own interval; beyond
            it the coverage is not known well enough to be judged.
    """

    target: ClassVar[Target]

    minimum_patients: int
    tolerance: float
    largest_margin: float

    def _answer(self, evidence: Evidence) -> Answer:
        predictions = predictions_of(evidence, self.target, minimum_patients=self.minimum_patients)
        coverage = _coverage(predictions, evidence.rng(self.code))
        least = predictions.nominal_coverage - self.tolerance
        return Answer(
            self._verdict(coverage, least),
            f"over {predictions.patients} patients the interval holds {coverage} of the truths; "
            f"it promises {predictions.nominal_coverage:g}, and {least:g} must be within reach",
            {
                "patients": predictions.patients,
                "coverage": coverage.value,
                "coverage_low": coverage.low,
                "coverage_high": coverage.high,
                "nominal_coverage": predictions.nominal_coverage,
                "mean_width": float(np.mean(predictions.high - predictions.low)),
            },
        )

    def _verdict(self, coverage: Interval, least: float) -> Verdict:
        if coverage.high < least:
            return Verdict.FAIL
        is_vague = coverage.high - coverage.low > 2 * self.largest_margin
        return Verdict.INSUFFICIENT if is_vague and coverage.low < least else Verdict.PASS


@dataclass(frozen=True)
class FeedbackIntervalCoverage(IntervalCoverage):
    """G103: see ``IntervalCoverage``."""

    code: ClassVar[str] = "G103"
    title: ClassVar[str] = "The interval of predicted feedback covers as promised"
    target: ClassVar[Target] = "feedback"


@dataclass(frozen=True)
class StatusIntervalCoverage(IntervalCoverage):
    """G104: see ``IntervalCoverage``."""

    code: ClassVar[str] = "G104"
    title: ClassVar[str] = "The interval of the predicted final status covers as promised"
    target: ClassVar[Target] = "status"


def _coverage(predictions: PredictionEvidence, rng: np.random.Generator) -> Interval:
    is_held = (predictions.low <= predictions.truth) & (predictions.truth <= predictions.high)
    per_patient = mean_per_patient(predictions.patient, is_held.astype(float))
    terms = np.stack([per_patient, np.ones(len(per_patient))], axis=1)
    return Resamples.of(np.arange(len(per_patient)), terms, rng).interval(ratio)
