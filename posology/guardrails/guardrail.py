"""What a guardrail is: a coded question about a candidate release, with its thresholds."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar, final

from posology.errors import SettingsError, TooSmall
from posology.guardrails.evidence import Evidence
from posology.guardrails.finding import Finding, Verdict

Figures = dict[str, float | int | str]


@dataclass(frozen=True)
class Answer:
    """What a guardrail found, before its code and title are put to it."""

    verdict: Verdict
    explanation: str
    figures: Figures


class NotApplicable(Exception):
    """The question does not arise for this release."""


@dataclass(frozen=True)
class Guardrail(ABC):
    """A frozen value; its fields are its thresholds, numbers not below zero.

    Attributes:
        code: never changes meaning.
        title: what holds when it passes.
    """

    code: ClassVar[str]
    title: ClassVar[str]

    def __post_init__(self) -> None:
        for field in fields(self):
            threshold = getattr(self, field.name)
            kinds = int if field.type is int else (int, float)
            is_number = isinstance(threshold, kinds) and not isinstance(threshold, bool)
            if not is_number or not math.isfinite(threshold) or threshold < 0:
                wanted = "a whole number" if field.type is int else "a number"
                raise SettingsError(f"{self.code}: {field.name} is {threshold!r}, expected {wanted}, 0 or more")

    @final
    def judge(self, evidence: Evidence) -> Finding:
        """The finding; an error in judging is a failure, never a pass."""
        try:
            answer = self._answer(evidence)
            return Finding(self.code, self.title, answer.verdict, answer.explanation, answer.figures)
        except NotApplicable as reason:
            return Finding(self.code, self.title, Verdict.NOT_APPLICABLE, str(reason))
        except TooSmall as reason:
            return Finding(self.code, self.title, Verdict.INSUFFICIENT, str(reason))
        except Exception as error:  # fails closed; the message may hold data, its kind does not
            kind = type(error).__name__
            return Finding(self.code, self.title, Verdict.FAIL, f"it could not be judged: {kind} while judging")

    @abstractmethod
    def _answer(self, evidence: Evidence) -> Answer:
        """Judge.

        Raises:
            NotApplicable: the question does not arise.
            TooSmall: the evidence is missing or too little.
        """
