"""F101 to F104: what comes next, predicted for held-out patients from what really came before."""

import numpy as np

from models.simulators.changes import changes_of
from models.simulators.fidelity.distances import basic_interval
from models.simulators.fidelity.evidence import Evidence
from models.simulators.fidelity.question import Figure, Question
from models.simulators.log import Log
from posology.bootstrap import Interval, Resamples, ratio

COVERAGE = 0.8
ROOM = "5 % is room for what the other half of the patients would have taught"
FEEDBACK = Question(
    code="F101",
    title="F one step ahead",
    asks="squared error of F one step ahead, as a multiple of that of the content's mean",
    lowest=0.0,
    highest=1.05,
    because=f"a table of means does as well at 1; {ROOM}",
    otherwise="do not judge policies by its F",
)
SPREAD = Question(
    code="F102",
    title="spread of F",
    asks=f"share of F within the middle {COVERAGE:.0%} of what would be drawn one step ahead",
    lowest=0.75,
    highest=0.85,
    because="5 points, as the guardrails allow the coverage of predictors",
    otherwise="do not read the noise of F, or sample sizes, off simulated patients",
)
CONTENTS = Question(
    code="F103",
    title="F of a content",
    asks="error of the mean F of a content, root mean square over contents",
    lowest=0.0,
    highest=0.05,
    because="contents that differ by less in F are nearly tied for a policy that explores as the shipped therapies do",
    otherwise="do not compare contents, or policies, on simulated patients",
)
STATUS = Question(
    code="F104",
    title="status one step ahead",
    asks="squared error of the next reading, as a multiple of that of the last one plus the mean change",
    lowest=0.0,
    highest=1.05,
    because=f"the mean change does as well at 1; {ROOM}",
    otherwise="do not judge policies by its status",
)


def feedback_one_step(evidence: Evidence) -> list[Figure]:
    """Error and spread of F, and the error of each content's mean."""
    answers, real = evidence.fitted.answers, evidence.real
    if answers is None:
        return []
    is_known = real.is_due & ~np.isnan(real.value)
    user, place, value = real.user[is_known], real.place[is_known], real.value[is_known]
    predicted = answers.predict(real.matrix[is_known])
    expected, patients = answers.expected(predicted, place), evidence.patients
    mean = _content_means(evidence.seen)[place]
    return [
        FEEDBACK.answer("F", patients, lambda: _ratio(evidence, user, (value - expected) ** 2, (value - mean) ** 2)),
        SPREAD.answer(
            "F",
            patients,
            lambda: _ratio(evidence, user, _is_inside(evidence, predicted, place, value), np.ones(user.size)),
        ),
        CONTENTS.answer("F", patients, lambda: _content_error(evidence, user, place, value - expected)),
    ]


def status_one_step(evidence: Evidence) -> list[Figure]:
    """Error of the next reading."""
    readings = evidence.fitted.readings
    if readings is None or evidence.fitted.log.therapy.status is None:
        return []
    seen, new = changes_of(evidence.seen), changes_of(evidence.real)
    mean = seen.change[seen.is_next].sum() / seen.days[seen.is_next].sum()
    expected = readings.expected_change(new)
    errors = [(new.change - own)[new.is_next] ** 2 for own in (expected, mean * new.days)]
    name = evidence.fitted.log.therapy.status.instrument
    return [STATUS.answer(name, evidence.patients, lambda: _ratio(evidence, new.user[new.is_next], *errors))]


def _content_means(log: Log) -> np.ndarray:
    """(n_contents,) mean F; that of all where a content has none."""
    known, n_contents = ~np.isnan(log.value), log.tables.contents.height
    sums, counts = (np.bincount(log.place[known], weights=w, minlength=n_contents) for w in (log.value[known], None))
    return np.where(counts > 0, sums / np.maximum(counts, 1), log.value[known].mean())


def _ratio(evidence: Evidence, user: np.ndarray, above: np.ndarray, below: np.ndarray) -> Interval:
    return Resamples.of(user, np.stack([above, below], axis=1), evidence.rng("one step")).interval(ratio)


def _is_inside(evidence: Evidence, predicted: np.ndarray, place: np.ndarray, value: np.ndarray) -> np.ndarray:
    """(n,) whether F lies in the middle of what would be drawn for some patient; ties are broken at random."""
    answers, rng = evidence.fitted.answers, evidence.rng(SPREAD.code)
    assert answers
    below, level = np.zeros(value.size), np.zeros(value.size)
    drawn = 60
    for _ in range(drawn):
        temper = rng.choice(answers.temper, value.size)
        other = answers.value[answers.draw(rng, predicted + temper, place)]
        below += other < value
        level += other == value
    rank = (below + rng.random(value.size) * (level + 1)) / (drawn + 1)
    return (np.abs(rank - 0.5) <= COVERAGE / 2).astype(float)


def _content_error(evidence: Evidence, user: np.ndarray, place: np.ndarray, residual: np.ndarray) -> Interval:
    """Root of the mean over sessions of each content's squared mean residual, without what chance adds to it."""
    n_contents = evidence.real.tables.contents.height
    of_content = place[:, None] == np.arange(n_contents)
    drawn = Resamples.of(user, np.hstack([of_content * residual[:, None], of_content]), evidence.rng(CONTENTS.code))
    squared = basic_interval(float(_mean_square(drawn.observed)), _mean_square(drawn.drawn))
    return Interval(*(float(np.sqrt(end)) for end in (squared.value, squared.low, squared.high)))


def _mean_square(sums: np.ndarray) -> np.ndarray:
    residual, count = np.split(sums, 2, axis=-1)
    return (residual**2 / np.maximum(count, 1)).sum(axis=-1) / count.sum(axis=-1)
