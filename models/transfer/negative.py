"""The negative-transfer test: a warm start is taken only where it is sure to help."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.predictors.predictor import Fitter
from models.transfer.source import Source
from models.transfer.warm import WarmStart
from models.tuning.gain import Gain
from models.tuning.held_out import Question
from posology.bootstrap import MINIMUM_PATIENTS


@dataclass(frozen=True)
class TransferVerdict:
    """What the test said of one kind.

    Attributes:
        gain: of the warm start over a start from scratch; None where there are too few patients to ask.
        reason: in words.
    """

    passed: bool
    gain: Gain | None
    reason: str

    def as_json(self) -> dict[str, Any]:
        """The fields."""
        return {"passed": self.passed, "reason": self.reason, "gain": self.gain.as_json() if self.gain else None}


def negative_transfer_test(
    kind: Fitter, source: Source, question: Question, options: Mapping[str, Any]
) -> TransferVerdict:
    """Whether starting from the source predicts fitting patients left out better than starting from scratch.

    Paired by patient: both are fitted on the same folds. It passes when the
    95 % interval of the mean gain over patients is above zero. No margin in
    favour of the source: without a gain there is nothing to set against a
    dependence on patients who are not these, and a source that does harm
    (Rosenstein et al. 2005; Wang et al. 2019) cannot pass by being hard to tell.

    Args:
        kind: what is fitted from scratch, and to what the source leaves over.
        source: another release's predictor.
        question: the fitting patients, dealt to folds.
        options: of both fits.
    """
    patients = question.rows.patients
    if patients < MINIMUM_PATIENTS:
        reason = f"{patients} fitting patients, at least {MINIMUM_PATIENTS} are needed to test for negative transfer"
        return TransferVerdict(False, None, reason)
    scratch, warm = (question.losses(fitter, options) for fitter in (kind, WarmStart(kind, source)))
    gain = Gain.of(scratch - warm, int(options["seed"]))
    return TransferVerdict(gain.is_sure, gain, _in_words(gain))


def _in_words(gain: Gain) -> str:
    if gain.is_sure:
        return "the warm start predicts patients left out better"
    return "the warm start does harm" if gain.high < 0 else "the warm start is not sure to help"
