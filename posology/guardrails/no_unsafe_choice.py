"""G301."""

from dataclasses import dataclass
from typing import ClassVar

from posology.errors import TooSmall, first_few
from posology.guardrails.evidence import Evidence
from posology.guardrails.finding import Verdict
from posology.guardrails.guardrail import Answer, Guardrail


@dataclass(frozen=True)
class NoUnsafeChoice(Guardrail):
    """On the stress set no blocked content ever had probability above zero.

    Attributes:
        minimum_decisions: without an event in N decisions the rate is below
            3/N with 95 % confidence (rule of three, Hanley & Lippman-Hand 1983, JAMA 249:1743).
    """

    code: ClassVar[str] = "G301"
    title: ClassVar[str] = "No unsafe content is ever given"

    minimum_decisions: int

    def _answer(self, evidence: Evidence) -> Answer:
        stress = evidence.stress
        if stress is None or not stress.decisions:
            raise TooSmall("no decision was stressed")
        bound = 1 - 0.05 ** (1 / stress.decisions)
        figures = {"decisions": stress.decisions, "unsafe": stress.unsafe}
        if stress.unsafe:
            said = f"{stress.unsafe} of {stress.decisions} stressed decisions gave blocked content a probability"
            return Answer(
                Verdict.FAIL, f"{said}, which should have been blocked by {first_few(stress.examples)}", {**figures}
            )
        if stress.decisions < self.minimum_decisions:
            more = self.minimum_decisions - stress.decisions
            return Answer(
                Verdict.INSUFFICIENT, f"{stress.decisions} decisions were stressed, {more} more are needed", {**figures}
            )
        said = (
            f"none of {stress.decisions} stressed decisions was unsafe: with 95 % confidence fewer than {bound:.2%} are"
        )
        return Answer(Verdict.PASS, said, {**figures, "upper_bound": bound})
