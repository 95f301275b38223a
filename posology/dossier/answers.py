"""The guardrails' answers, as the page shows them: in words first, then by sign and colour."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Self


class Verdict(Enum):
    """The four answers a guardrail can give."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    INSUFFICIENT = "insufficient evidence"
    NOT_APPLICABLE = "not applicable"

    @classmethod
    def of(cls, value: object) -> Self:
        """A verdict from an enum, or from text such as ``"insufficient_evidence"``.

        Raises:
            ValueError: it is none of the four.
        """
        text = str(getattr(value, "value", value)).replace("_", " ").replace("-", " ").lower()
        return cls(text)

    @property
    def blocks(self) -> bool:
        """Whether a release with this answer cannot be promoted."""
        return self in {Verdict.FAIL, Verdict.INSUFFICIENT}

    @property
    def style(self) -> str:
        """The CSS class and the name of the sign."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True)
class Answer:
    """One guardrail's answer; ``figures`` are the numbers it rests on, by name."""

    code: str
    title: str
    verdict: Verdict
    explanation: str
    figures: Mapping[str, Any]

    @classmethod
    def of(cls, finding: Any) -> Self:
        """From a finding of the guardrails, or a mapping with the same names."""
        part = finding.__getitem__ if isinstance(finding, Mapping) else lambda name: getattr(finding, name)
        return cls(
            code=part("code"),
            title=part("title"),
            verdict=Verdict.of(part("verdict")),
            explanation=part("explanation"),
            figures=dict(part("figures") or {}),
        )


def headline(verdict: Verdict, answers: tuple[Answer, ...]) -> str:
    """The verdict in one sentence for people."""
    asked = [answer for answer in answers if answer.verdict is not Verdict.NOT_APPLICABLE]
    count = {kind: sum(answer.verdict is kind for answer in asked) for kind in Verdict}
    if verdict is Verdict.PASS:
        return f"All {len(asked)} guardrails that apply passed. The release may be signed for."
    if verdict is Verdict.NOT_APPLICABLE:
        return "No guardrail applies. The release cannot be judged and must not be signed for."
    parts = [
        f"{count[kind]} {words}"
        for kind, words in ((Verdict.FAIL, "failed"), (Verdict.INSUFFICIENT, "could not be answered with this data"))
        if count[kind]
    ]
    return f"Of {len(asked)} guardrails that apply, {' and '.join(parts)}. The release cannot be promoted."
