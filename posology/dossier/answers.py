"""The guardrails' answers, as the page shows them: in words first, then by sign and colour."""

from collections.abc import Iterable, Sequence

from posology.guardrails.finding import Finding, Verdict

ORDER = (Verdict.FAIL, Verdict.INSUFFICIENT, Verdict.PASS, Verdict.NOT_APPLICABLE)
BLOCKING = {Verdict.FAIL: "failed", Verdict.INSUFFICIENT: "could not be answered with this data"}


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """What blocks comes first, what does not apply last."""
    return sorted(findings, key=lambda finding: ORDER.index(finding.verdict))


def headline(verdict: Verdict, findings: Sequence[Finding]) -> str:
    """The verdict in a sentence or two for people."""
    asked = [finding.verdict for finding in findings if finding.verdict is not Verdict.NOT_APPLICABLE]
    if not asked:
        return "No guardrail applies. The release cannot be judged and cannot be promoted."
    if verdict is Verdict.PASS:
        return f"Every guardrail that applies passed ({len(asked)}). The release may be signed for."
    parts = [f"{asked.count(kind)} {words}" for kind, words in BLOCKING.items() if kind in asked]
    return f"Of {len(asked)} guardrails that apply, {' and '.join(parts)}. The release cannot be promoted."


def style_of(verdict: Verdict) -> str:
    """The CSS class and the name of the sign."""
    return verdict.name.lower().replace("_", "-")
