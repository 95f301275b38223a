"""What a guardrail answers."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """One of four answers; only the first lets a release through."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    INSUFFICIENT = "insufficient evidence"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Finding:
    """A verdict, why, and the figures it rests on; JSON through ``as_json``."""

    code: str
    title: str
    verdict: Verdict
    explanation: str
    figures: Mapping[str, float | int | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, figure in self.figures.items():
            if not isinstance(figure, str | int | float):
                raise TypeError(f"{self.code}: figure {name} is a {type(figure).__name__}, expected a number or text")
            if isinstance(figure, float) and not math.isfinite(figure):
                raise ValueError(f"{self.code}: figure {name} is not finite")

    def as_json(self) -> dict[str, Any]:
        """Plain values for a file or an answer."""
        return {**asdict(self), "verdict": self.verdict.value, "figures": dict(self.figures)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> "Finding":
        """The finding that ``as_json`` wrote."""
        return cls(**{**plain, "verdict": Verdict(plain["verdict"])})


def overall(findings: Iterable[Finding]) -> Verdict:
    """The verdict on a release: pass needs a pass, and neither failure nor insufficient evidence."""
    return worst(finding.verdict for finding in findings)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict that blocks most; insufficient evidence when nothing was found at all."""
    found = set(verdicts)
    order = (Verdict.FAIL, Verdict.INSUFFICIENT, Verdict.PASS)
    return next((verdict for verdict in order if verdict in found), Verdict.INSUFFICIENT)
