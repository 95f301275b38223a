"""G601."""

from dataclasses import dataclass
from typing import ClassVar

from posology.errors import TooSmall
from posology.guardrails.evidence import Evidence
from posology.guardrails.finding import Verdict
from posology.guardrails.guardrail import Answer, Guardrail


@dataclass(frozen=True)
class GoldenAnswers(Guardrail):
    """The bundle answers golden requests exactly as the release did when it was made.

    Attributes:
        minimum_requests: with fewer the bundle has hardly been asked.
    """

    code: ClassVar[str] = "G601"
    title: ClassVar[str] = "The bundle answers as the release does"

    minimum_requests: int

    def _answer(self, evidence: Evidence) -> Answer:
        golden = evidence.golden
        if golden is None:
            raise TooSmall("the bundle was not asked any golden request")
        figures = {"requests": golden.requests, "differing": golden.differing}
        said = f"{golden.differing} of {golden.requests} golden answers differ"
        if golden.differing:
            return Answer(Verdict.FAIL, said, {**figures})
        if golden.requests < self.minimum_requests:
            more = self.minimum_requests - golden.requests
            return Answer(Verdict.INSUFFICIENT, f"{said}; {more} more requests are needed", {**figures})
        return Answer(Verdict.PASS, said, {**figures})
