"""F105 and F107: every column by itself."""

from models.simulators.fidelity.distances import distribution_distance
from models.simulators.fidelity.evidence import (
    Evidence,
    Series,
    context_series,
    feedback_series,
    presence_series,
    status_series,
)
from models.simulators.fidelity.question import Figure, Question

BECAUSE = "a shift of a quarter of a standard deviation, a small effect (Cohen 1988), moves a distribution by 0.1"
COLUMN = Question(
    code="F105",
    title="distribution",
    asks="distance between the distributions of a column, real and simulated",
    lowest=0.0,
    highest=0.1,
    because=BECAUSE,
    otherwise="do not read levels or spreads of this column off simulated patients",
)
PRESENCE = Question(
    code="F107",
    title="presence",
    asks="distance between the distributions of how patients come and stay, real and simulated",
    lowest=0.0,
    highest=0.1,
    because=BECAUSE,
    otherwise="do not plan numbers of sessions, follow-up or drop-out on simulated patients",
)


def marginals(evidence: Evidence) -> list[Figure]:
    """One figure a column."""
    of_real, of_simulated = (
        [*feedback_series(log), *context_series(log), *status_series(log)]
        for log in (evidence.real, evidence.simulated)
    )
    return _compare_all(COLUMN, evidence, of_real, of_simulated)


def presence(evidence: Evidence) -> list[Figure]:
    """Sessions of a patient, days from the first to the last, days between."""
    return _compare_all(PRESENCE, evidence, presence_series(evidence.real), presence_series(evidence.simulated))


def _compare_all(question: Question, evidence: Evidence, real: list[Series], simulated: list[Series]) -> list[Figure]:
    """Columns that are empty in the log are not asked about."""
    pairs = zip(real, simulated, strict=True)
    return [_compare(question, evidence, one.known, other.known) for one, other in pairs if one.known.values.size]


def _compare(question: Question, evidence: Evidence, real: Series, simulated: Series) -> Figure:
    if not simulated.values.size:
        return question.unanswered(real.name, "none of the simulated patients came to have a value")
    rng = evidence.rng(question.code + real.name)
    return question.answer(real.name, evidence.patients, lambda: distribution_distance(real, simulated, rng))
