"""G105."""

from dataclasses import dataclass
from typing import ClassVar

from posology.bootstrap import Interval
from posology.errors import TooSmall
from posology.guardrails.evidence import Evidence
from posology.guardrails.finding import Verdict
from posology.guardrails.guardrail import Answer, Figures, Guardrail, NotApplicable
from posology.surrogate import Surrogate, surrogate

GUARDED = "the objective is constrained: predicted Mf, not F alone, decides what may be given"


@dataclass(frozen=True)
class FeedbackStandsIn(Guardrail):
    """Choosing content by F improves Mf, where the policy relies on F.

    What choosing by F brings in Mf over a course (see ``posology.surrogate``)
    passes when its interval is above zero, and fails when it is below the
    least gain that is worth having; between, the evidence is insufficient.
    Where the objective is ``constrained``, a failure blocks and a missing
    answer does not (docs/decisions/0006-f-stands-in.md).

    Attributes:
        minimum_patients: with a finished course; judged on fewer, there is no answer.
        least_gain: in smallest important changes over a course.
    """

    code: ClassVar[str] = "G105"
    title: ClassVar[str] = "Feedback stands in for the final status"

    minimum_patients: int
    least_gain: float

    def _answer(self, evidence: Evidence) -> Answer:
        if missing := [name for name in ("feedback", "status") if name not in evidence.declared]:
            raise NotApplicable(f"the therapy declares no {missing[0]}: there is nothing to compare")
        if evidence.objective == "status":
            raise NotApplicable("the policy goes by the final status itself")
        try:
            found = self._measured(evidence)
        except TooSmall as reason:
            if evidence.objective == "constrained":
                raise NotApplicable(f"{reason}; {GUARDED}") from reason
            raise
        verdict = self.verdict(found.gain)
        if verdict == Verdict.INSUFFICIENT and evidence.objective == "constrained":
            verdict = Verdict.NOT_APPLICABLE
        guarded = f"; not settled, but {GUARDED}" if verdict == Verdict.NOT_APPLICABLE else ""
        return Answer(
            verdict,
            f"giving contents of large F every time changes the final status over a course by {found.gain} smallest "
            f"important changes, over {found.patients} patients; the interval must lie above 0, and is too low "
            f"below {self.least_gain:g}{guarded}",
            _figures(found),
        )

    def _measured(self, evidence: Evidence) -> Surrogate:
        if evidence.surrogate is None:
            raise TooSmall(evidence.no_surrogate or "whether F stands in for Mf was not tested")
        patients = evidence.surrogate.patients
        if patients < self.minimum_patients:
            raise TooSmall(f"{patients} patients finished a course; {self.minimum_patients} are needed")
        return surrogate(evidence.surrogate, evidence.rng(self.code))

    def verdict(self, gain: Interval) -> Verdict:
        """Of a gain by choosing by F, whatever the objective."""
        if gain.low > 0:
            return Verdict.PASS
        return Verdict.FAIL if gain.high < self.least_gain else Verdict.INSUFFICIENT


def _figures(found: Surrogate) -> Figures:
    figures: Figures = {"patients": found.patients, "decisions": found.decisions}
    named = {"gain": found.gain, "slope": found.slope, "lost": found.lost}
    for name, interval in {**named, "rank_correlation": found.ranks, "same_sign": found.signs}.items():
        if interval is not None:
            figures |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return figures
