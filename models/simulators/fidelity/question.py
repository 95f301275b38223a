"""One question about a simulator, and one answer with its figure, interval and verdict."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Any

from posology.bootstrap import Interval
from posology.errors import TooSmall

MOST_GROWTH = 100  # times today's patients; needing more than that is not worth a number


class Verdict(StrEnum):
    """Whether a simulator may be used for what a question is about."""

    TRUST = "trust"
    DO_NOT_TRUST = "do not trust"
    INSUFFICIENT = "insufficient evidence"


@dataclass(frozen=True)
class Question:
    """What is asked, and between which limits the answer must lie.

    Attributes:
        code: never changes its meaning.
        title: in few words.
        asks: the quantity in words.
        lowest, highest: the limits, inclusive.
        because: where the limits come from.
        otherwise: what the simulator must not be used for when the answer is no.
    """

    code: str
    title: str
    asks: str
    lowest: float
    highest: float
    because: str
    otherwise: str

    def answer(self, subject: str, patients: int, work_out: Callable[[], Interval]) -> "Figure":
        """The figure: trusted where its whole interval lies within the limits, not where all of it lies outside."""
        try:
            interval = work_out()
        except TooSmall as error:
            return self.unanswered(subject, str(error))
        verdict = self._verdict(interval)
        advice = self._more(interval, patients) if verdict == Verdict.INSUFFICIENT else ""
        return Figure(self, subject, interval, verdict, advice)

    def unanswered(self, subject: str, why: str) -> "Figure":
        """No figure: too little data."""
        return Figure(self, subject, None, Verdict.INSUFFICIENT, why)

    def _verdict(self, interval: Interval) -> Verdict:
        if self.lowest <= interval.low and interval.high <= self.highest:
            return Verdict.TRUST
        is_outside = interval.low > self.highest or interval.high < self.lowest
        return Verdict.DO_NOT_TRUST if is_outside else Verdict.INSUFFICIENT

    def _more(self, interval: Interval, patients: int) -> str:
        """How many more held-out patients would settle it, the figure staying what it is: widths go with 1/√n."""
        crossed = [
            (abs(interval.value - limit), abs(interval.value - end))
            for limit, end in ((self.highest, interval.high), (self.highest, interval.low), (self.lowest, interval.low))
            if min(interval.value, end) <= limit <= max(interval.value, end)
        ]
        growth = max(((reach / max(distance, 1e-9)) ** 2 for distance, reach in crossed), default=MOST_GROWTH + 1.0)
        if growth > MOST_GROWTH:
            return "the figure lies on the limit; no amount of data within reach settles it"
        return f"if that is the true figure, about {ceil(patients * (growth - 1)) + 1} more held-out patients settle it"


@dataclass(frozen=True)
class Figure:
    """The answer to a question about one subject, for example a column.

    Attributes:
        interval: None where it could not be worked out.
        advice: what is missing, where the evidence is insufficient.
    """

    question: Question
    subject: str
    interval: Interval | None
    verdict: Verdict
    advice: str

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        interval = self.interval
        return {
            "code": self.question.code,
            "title": self.question.title,
            "asks": self.question.asks,
            "subject": self.subject,
            "value": None if interval is None else interval.value,
            "low": None if interval is None else interval.low,
            "high": None if interval is None else interval.high,
            "lowest": self.question.lowest,
            "highest": self.question.highest,
            "because": self.question.because,
            "otherwise": self.question.otherwise,
            "verdict": str(self.verdict),
            "advice": self.advice,
        }
