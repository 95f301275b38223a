"""F108: whether a classifier can tell real patients from simulated ones.

A classifier two-sample test (Lopez-Paz & Oquab 2017, ICLR) on whole courses,
one row a patient: each half of the patients is judged by a classifier fitted
to the other, so each area under the ROC curve has the variance of a rank
statistic (DeLong et al. 1988, Biometrics 44:837). Where the halves differ by
chance alone both areas err to the same side, so their mean is given the
standard error of one.
"""

import numpy as np
from scipy import special
from sklearn.ensemble import HistGradientBoostingClassifier

from models.encode import encode
from models.simulators.fidelity.evidence import (
    Evidence,
    Series,
    context_series,
    feedback_series,
    presence_series,
    status_series,
)
from models.simulators.fidelity.question import Figure, Question
from models.simulators.log import Log
from posology.bootstrap import LEVEL, MINIMUM_PATIENTS, Interval
from posology.errors import TooSmall

QUESTION = Question(
    code="F108",
    title="told apart",
    asks="chance that a classifier ranks a simulated patient as more likely simulated than a real one (AUC)",
    lowest=0.0,
    highest=0.7,
    because="from 0.7 on discrimination is called acceptable (Hosmer, Lemeshow & Sturdivant 2013, section 5.2.4)",
    otherwise="do not let simulated patients stand in for real ones",
)


def told_apart(evidence: Evidence) -> list[Figure]:
    """The area under the curve."""

    def area() -> Interval:
        return classifier_auc(
            course_summaries(evidence.real), course_summaries(evidence.simulated), evidence.rng(QUESTION.code)
        )

    return [QUESTION.answer("courses", evidence.patients, area)]


def classifier_auc(real: np.ndarray, simulated: np.ndarray, rng: np.random.Generator) -> Interval:
    """How well real and simulated rows are told apart, 0.5 for not at all.

    Args:
        real: (n_real, n_columns) one row a patient, NaN where missing.
        simulated: (n_simulated, n_columns)

    Raises:
        TooSmall: too few patients in a half.
    """
    fewest = min(len(real), len(simulated))
    if fewest < 2 * MINIMUM_PATIENTS:
        raise TooSmall(
            f"telling apart needs {2 * MINIMUM_PATIENTS} real patients or more, there are {fewest}; "
            f"collect data of {2 * MINIMUM_PATIENTS - fewest} more"
        )
    rows, label = np.vstack([real, simulated]), np.repeat([0, 1], [len(real), len(simulated)])
    rows = rows[:, [np.unique(column[~np.isnan(column)]).size > 1 for column in rows.T]]
    half = np.concatenate([rng.permutation(len(real)) % 2, rng.permutation(len(simulated)) % 2])
    areas = [_area(rows, label, half == judged) for judged in (0, 1)]
    value = float(np.mean([area for area, _ in areas]))
    reach = float(special.ndtri((1 + LEVEL) / 2) * np.sqrt(np.mean([variance for _, variance in areas])))
    return Interval(value, max(value - reach, 0.0), min(value + reach, 1.0))


def course_summaries(log: Log) -> np.ndarray:
    """(n_patients, n_columns) of those with sessions: U, and each column's mean, spread and pull of the last value."""
    people = np.unique(log.user)
    sessions = [*feedback_series(log), *context_series(log)]
    parts = [encode(log.tables.users[people], log.therapy.user)]
    parts += [_summary(series, people) for series in (*sessions, *presence_series(log))]
    return np.column_stack([*parts, *(_readings(log, people, series) for series in status_series(log))])


def _summary(series: Series, people: np.ndarray) -> np.ndarray:
    """(n_people, 3) mean, standard deviation, and mean product of standardised neighbours."""
    known = series.known
    place = np.searchsorted(people, known.patient)
    count = np.bincount(place, minlength=people.size).astype(float)
    count[count == 0] = np.nan
    mean = np.bincount(place, weights=known.values, minlength=people.size) / count
    off = known.values - mean[place]
    variance = np.bincount(place, weights=off**2, minlength=people.size) / count
    together = np.append(off[1:] * off[:-1] * (place[1:] == place[:-1]), 0.0)
    pull = np.bincount(place, weights=together, minlength=people.size) / count
    return np.column_stack([mean, np.sqrt(variance), pull])


def _readings(log: Log, people: np.ndarray, series: Series) -> np.ndarray:
    """(n_people, 3) how many, the first, and the last minus the first."""
    ids = log.tables.measurements["user_id"].unique().sort()
    users = log.tables.users["user_id"].gather(people)
    rank = {user_id: place + 1 for place, user_id in enumerate(ids)}
    wanted = np.array([rank.get(user_id, 0) for user_id in users])
    begin, end = np.searchsorted(series.patient, wanted), np.searchsorted(series.patient, wanted, side="right")
    has_any = end > begin
    first = np.where(has_any, series.values[np.minimum(begin, series.values.size - 1)], np.nan)
    last = np.where(has_any, series.values[np.maximum(end - 1, 0)], np.nan)
    return np.column_stack([end - begin, first, last - first])


def _area(rows: np.ndarray, label: np.ndarray, judged: np.ndarray) -> tuple[float, float]:
    """Area under the curve and its variance on the rows judged, the classifier fitted to the others."""
    model = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, min_samples_leaf=10, random_state=0)
    model.fit(rows[~judged], label[~judged])
    score = model.decision_function(rows[judged])
    positive, negative = score[label[judged] == 1], score[label[judged] == 0]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    of_positive, of_negative = wins.mean(axis=1), wins.mean(axis=0)
    variance = of_positive.var(ddof=1) / positive.size + of_negative.var(ddof=1) / negative.size
    return float(wins.mean()), float(variance)
