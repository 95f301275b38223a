"""F as a stand-in for Mf, measured."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from posology.bootstrap import MINIMUM_PATIENTS, Interval, Resamples, ratio
from posology.errors import TooSmall
from posology.surrogate.evidence import ArmScores, CourseOutcomes, SurrogateEvidence

LEAST_ARMS = 3  # for ranks to agree or not


@dataclass(frozen=True)
class Association:
    """How patients' mean F and gain of Mf go together; a correlation, not an effect.

    Attributes:
        whom: all patients, a group of them, or an arm.
        slope: points of gain per unit of mean F; None where there are too few patients.
        correlation: Pearson's.
    """

    whom: str
    patients: int
    slope: Interval | None
    correlation: Interval | None


@dataclass(frozen=True)
class Surrogate:
    """What was found; intervals are 95 %, by bootstrap over patients.

    Attributes:
        gain: what choosing by F brings in Mf over a course, in smallest important changes, if the decisions'
            effects add up: one of the better quarter by predicted F every time, against any content alike.
        slope: gain of Mf (points) by one decision per unit of F, through the choice of content.
        lost: gain of Mf over a course, in smallest important changes, of the best content by predicted Mf every
            time over the best by predicted F.
        ranks: Spearman's correlation of the contents' effects on F and on Mf; None with fewer than three.
        signs: share of contents that are above or below the average on both.
        associations: of patients, by all, groups and arms.
    """

    patients: int
    decisions: int
    gain: Interval
    slope: Interval
    lost: Interval
    ranks: Interval | None
    signs: Interval | None
    associations: tuple[Association, ...]


def surrogate(evidence: SurrogateEvidence, rng: np.random.Generator) -> Surrogate:
    """Measure how far F stands in for Mf.

    A good surrogate must do more than correlate: the effect of the treatment on it must tell the effect on the
    outcome (Prentice 1989, Statistics in Medicine 8:431; Buyse & Molenberghs 1998, Biometrics 54:1014, "trial
    level"). Here every decision is a small trial of contents. Two answers that are right where propensities are,
    whatever the predictions: the gain, doubly robust, and the slope of Mf on predicted F through the choice of
    content, by weighted and centred least squares (Boruvka, Almirall, Witkiewitz & Murphy 2018, JASA 113:1112):
    Σ w d y / Σ w d², w the weight that makes the choice even, d the predicted F given above the eligible mean, y
    what Mf has above its prediction. Patients' own correlation (Gan et al. 2021: r = 0.24 for engagement and
    outcome) is told beside them.

    Raises:
        TooSmall: fewer than ten patients, or F does not differ between contents.
    """
    weighted = evidence.weight * evidence.feedback
    slope = np.column_stack([weighted * evidence.status, weighted * evidence.feedback])
    gained = np.column_stack([evidence.by_feedback, evidence.lost, np.ones(len(evidence.patient))])
    drawn = Resamples.of(evidence.patient, np.column_stack([slope, gained]), rng)
    if drawn.observed[1] <= 0:
        raise TooSmall("predicted F is the same for all contents: nothing tells whether it stands in for Mf")
    important = evidence.decisions_per_course / evidence.smallest_important_change
    ranks, signs = _agreement(evidence.arms, evidence.patient, rng)
    return Surrogate(
        patients=drawn.patients,
        decisions=len(evidence.patient),
        gain=drawn.interval(lambda sums: important * sums[..., 2] / sums[..., 4]),
        slope=drawn.interval(lambda sums: ratio(sums[..., :2])),
        lost=drawn.interval(lambda sums: important * sums[..., 3] / sums[..., 4]),
        ranks=ranks,
        signs=signs,
        associations=_associations(evidence.courses, rng),
    )


def _agreement(
    arms: ArmScores, patient: np.ndarray, rng: np.random.Generator
) -> tuple[Interval | None, Interval | None]:
    k = len(arms.names)
    if k < LEAST_ARMS:
        return None, None
    terms = np.column_stack([arms.feedback * arms.could, arms.status * arms.could, arms.could])
    drawn = Resamples.of(patient, terms, rng)

    def effects(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        count = np.maximum(sums[..., 2 * k :], 1)
        return sums[..., :k] / count, sums[..., k : 2 * k] / count

    def ranks(sums: np.ndarray) -> np.ndarray:
        ranked = [_centred(rankdata(each, axis=-1)) for each in effects(sums)]
        return np.asarray(
            (ranked[0] * ranked[1]).sum(-1) / np.sqrt((ranked[0] ** 2).sum(-1) * (ranked[1] ** 2).sum(-1))
        )

    def signs(sums: np.ndarray) -> np.ndarray:
        feedback, status = map(_centred, effects(sums))
        return np.asarray((feedback * status > 0).mean(-1))

    return drawn.interval(ranks), drawn.interval(signs)


def _centred(values: np.ndarray) -> np.ndarray:
    return np.asarray(values - values.mean(axis=-1, keepdims=True))


def _associations(courses: CourseOutcomes, rng: np.random.Generator) -> tuple[Association, ...]:
    everyone = np.ones(len(courses.gain), dtype=bool)
    found = [_association("all patients", courses.feedback, courses.gain, everyone, rng)]
    for column, of_patient in courses.groups.items():
        for group in np.unique(of_patient):
            found.append(_association(f"{column}: {group}", courses.feedback, courses.gain, of_patient == group, rng))
    for arm, feedback in courses.feedback_in.items():
        found.append(_association(f"F in {arm}", feedback, courses.gain, np.isfinite(feedback), rng))
    return tuple(found)


def _association(
    whom: str, feedback: np.ndarray, gain: np.ndarray, is_in: np.ndarray, rng: np.random.Generator
) -> Association:
    x, y = feedback[is_in], gain[is_in]
    if len(x) < MINIMUM_PATIENTS or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Association(whom, len(x), None, None)
    drawn = Resamples.of(np.arange(len(x)), np.column_stack([np.ones(len(x)), x, y, x * x, y * y, x * y]), rng)
    return Association(whom, len(x), drawn.interval(_slope), drawn.interval(_correlation))


def _slope(sums: np.ndarray) -> np.ndarray:
    n, x, y, xx, _, xy = np.moveaxis(sums, -1, 0)
    return np.asarray((n * xy - x * y) / (n * xx - x * x))


def _correlation(sums: np.ndarray) -> np.ndarray:
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    return np.asarray((n * xy - x * y) / np.sqrt((n * xx - x * x) * (n * yy - y * y)))
