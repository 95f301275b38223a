"""What the candidate's predictors go by, as the dossier shows it."""

from flows.evaluation.candidate import Candidate
from models.explanations import Overall, overall
from models.targets import Target
from posology.dossier import ExplanationRow, ExplanationTable
from posology.errors import CannotDo

PREDICTED = {"feedback": "Feedback F (0 to 1)", "status": "Final status Mf (points)"}
SHOWN = 12
CLEAR = 0.3  # a rank correlation from which a direction is told


def explanation_tables(candidate: Candidate) -> tuple[ExplanationTable, ...]:
    """One table a predictor, from the judge patients; none for a kind whose contributions are not known."""
    found = (_table(candidate, target) for target in candidate.predictors)
    return tuple(table for table in found if table is not None)


def _table(candidate: Candidate, target: Target) -> ExplanationTable | None:
    rows = candidate.rows(target, "judge")
    if not rows.target.size:
        return None
    try:
        found = overall(candidate.predictors[target], rows)
    except CannotDo:
        return None
    shown = (ExplanationRow(each.name, each.size, _direction(each)) for each in found[:SHOWN] if each.size > 0)
    return ExplanationTable(PREDICTED[target], tuple(shown))


def _direction(found: Overall) -> str:
    if found.direction is None:
        return "several features, or no order"
    if abs(found.direction) < CLEAR:
        return "it depends"
    return "adds" if found.direction > 0 else "takes away"
