"""G501."""

from dataclasses import dataclass
from typing import ClassVar

from posology.errors import TooSmall
from posology.guardrails.evidence import SPLITS, TARGETS, Amount, DataEvidence, Evidence, Target
from posology.guardrails.finding import Verdict
from posology.guardrails.guardrail import Answer, Figures, Guardrail


@dataclass(frozen=True)
class EnoughData(Guardrail):
    """Enough patients to fit, to calibrate and to judge every declared target.

    Attributes:
        patients_to_fit: whose data the predictors learn from.
        patients_to_calibrate: whose errors set the width of intervals.
        patients_to_judge: on whom the other guardrails rest.
        sessions_to_judge: of those patients; asked of feedback only, for the
            final status comes once per patient.
    """

    code: ClassVar[str] = "G501"
    title: ClassVar[str] = "There are enough data"

    patients_to_fit: int
    patients_to_calibrate: int
    patients_to_judge: int
    sessions_to_judge: int

    def _answer(self, evidence: Evidence) -> Answer:
        if evidence.data is None:
            raise TooSmall("nothing is known of the data: validate them first")
        declared = [target for target in TARGETS if target in evidence.declared]
        wanting = [text for target in declared for text in self._wanting(evidence.data, target)]
        verdict = Verdict.INSUFFICIENT if wanting else Verdict.PASS
        said = f"needed: {'; '.join(wanting)}" if wanting else f"enough for {' and '.join(declared)}"
        return Answer(verdict, said, _figures(evidence.data))

    def _wanting(self, data: DataEvidence, target: Target) -> list[str]:
        found = {split: data.amounts.get(target, {}).get(split, Amount(0, 0)) for split in SPLITS}
        needed = dict(
            zip(SPLITS, (self.patients_to_fit, self.patients_to_calibrate, self.patients_to_judge), strict=True)
        )
        wanting = [
            f"{needed[split] - found[split].patients} more patients with {target} to {split}"
            for split in SPLITS
            if found[split].patients < needed[split]
        ]
        sessions = self.sessions_to_judge - found["judge"].sessions
        if target == "feedback" and sessions > 0:
            wanting.append(f"{sessions} more sessions with {target} to judge")
        return wanting


def _figures(data: DataEvidence) -> Figures:
    figures: Figures = {}
    for target, by_split in data.amounts.items():
        for split, amount in by_split.items():
            figures[f"{target}_patients_to_{split}"] = amount.patients
            figures[f"{target}_sessions_to_{split}"] = amount.sessions
    return figures
