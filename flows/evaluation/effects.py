"""Effects of content in a candidate's data, and whether F stands in for Mf; left out, with the reason, where not."""

from dataclasses import dataclass

from flows.evaluation.candidate import Candidate
from models.effects import EffectsOf, Scores, logs_of
from models.effects.surrogate import surrogate_evidence
from models.targets import Target
from posology.errors import CannotDo
from posology.surrogate import SurrogateEvidence


@dataclass(frozen=True)
class EffectsFound:
    """What a log says of effects.

    Attributes:
        tables: on F and on Mf, of groups of contents and of contents.
        surrogate: the evidence on F as a stand-in for Mf.
        reasons: why a part is missing.
    """

    tables: tuple[EffectsOf, ...] = ()
    surrogate: SurrogateEvidence | None = None
    reasons: tuple[str, ...] = ()


def effects_found(candidate: Candidate) -> EffectsFound:
    """Effects in all accepted data, up to the number of decisions that params.yaml sets; what cannot be, is not."""
    params = candidate.params.evaluation
    scores: dict[Target, Scores] = {}
    tables: list[EffectsOf] = []
    try:
        logs = logs_of(candidate.therapy, candidate.tables, most=params.logged_decisions)
        for target, choices in logs.items():
            scores[target] = Scores.of(choices, target)
            by_group = EffectsOf.can_group(choices)
            tables += [
                EffectsOf.of(target, scores[target], choices, by, params.seed)
                for by in (("group", "content") if by_group else ("content",))
            ]
    except CannotDo as reason:
        return EffectsFound(tuple(tables), None, (str(reason),))
    if set(candidate.targets) != {"feedback", "status"}:
        return EffectsFound(tuple(tables))
    try:
        return EffectsFound(tuple(tables), surrogate_evidence(logs, scores))
    except CannotDo as reason:
        return EffectsFound(tuple(tables), None, (str(reason),))
