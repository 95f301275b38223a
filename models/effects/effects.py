"""The effect of each arm against the reference, with intervals that hold for all arms at once."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy import special

from models.contents import ContentArrays
from models.effects.doubly_robust import LEAST_PATIENTS, Scores
from models.offpolicy import LoggedChoices
from posology.errors import CannotDo, TooSmall

By = Literal["content", "group"]
BY: tuple[By, ...] = get_args(By)
LEVEL = 0.95
DRAWS = 2_000


@dataclass(frozen=True)
class Effect:
    """What giving an arm does to the outcome of one decision, against giving the reference instead.

    Attributes:
        arm: a content, or a group of contents of which any eligible one is given, all alike.
        value: doubly robust; the mean over the decisions in which the arm could be given.
        error: its standard error; patients count as clusters.
        low, high: its 95 % interval.
        low_of_all, high_of_all: the interval that holds for all arms at once, 95 % sure.
        predicted: what the plain predictor says of the same decisions.
        naive: mean outcome after the arm minus mean outcome after the reference, as logged.
        patients: to whom the arm was given.
        decisions: in which it was given.
    """

    arm: str
    value: float
    error: float
    low: float
    high: float
    low_of_all: float
    high_of_all: float
    predicted: float
    naive: float
    patients: int
    decisions: int


@dataclass(frozen=True)
class Arms:
    """Which of the scored contents make up which arm; the reference is no arm.

    Attributes:
        names: (n_arms,).
        member: (n_arms, k) whether a scored content is in an arm.
    """

    names: tuple[str, ...]
    member: np.ndarray

    @classmethod
    def of(cls, scores: Scores, choices: LoggedChoices, by: By) -> "Arms":
        """Contents one by one, or grouped by the category whose repetition the therapy caps.

        Raises:
            CannotDo: there is no such category.
        """
        k = len(scores.ids)
        if by == "content":
            return cls(scores.ids[1:], np.eye(k, dtype=bool)[1:])
        contents = ContentArrays(choices.decisions.therapy, choices.decisions.tables.contents)
        if contents.group_feature is None:
            raise CannotDo(
                f"therapy {choices.decisions.therapy.name} declares no category of content; compare content by content"
            )
        group = contents.groups[[contents.table["content_id"].to_list().index(each) for each in scores.ids]]
        member = group[None, :] == np.arange(len(contents.group_values))[:, None]
        member[:, 0] = False
        some = member.any(axis=1)
        return cls(tuple(name for name, is_in in zip(contents.group_values, some, strict=True) if is_in), member[some])

    def scores(self, scores: Scores) -> tuple[np.ndarray, np.ndarray]:
        """(n, n_arms) scores against the reference, and (n, n_arms) whether arm and reference could be given."""
        return self.averaged(scores, scores.difference), self.could(scores)

    def averaged(self, scores: Scores, of_contents: np.ndarray) -> np.ndarray:
        """(n, n_arms) mean over each arm's eligible contents; 0 where none is."""
        may = scores.eligible.astype(float)
        return (of_contents * may) @ self.member.T / np.maximum(may @ self.member.T, 1)

    def could(self, scores: Scores) -> np.ndarray:
        """(n, n_arms) whether something of the arm, and the reference, was eligible."""
        return (scores.eligible.astype(float) @ self.member.T > 0) & scores.eligible[:, [0]]

    def given(self, scores: Scores) -> np.ndarray:
        """(n, n_arms) whether something of the arm was given."""
        return np.column_stack([self.member, np.zeros(len(self.names), dtype=bool)])[:, scores.given].T


def effects(scores: Scores, arms: Arms, seed: int = 0) -> tuple[Effect, ...]:
    """The effects, the largest first.

    The 95 % intervals of one arm take Student's t with patients − 1 degrees of freedom; those of all at once the
    95 % point of the largest |t|, by a Gaussian multiplier bootstrap over patients (Chernozhukov, Chetverikov &
    Kato 2013, Annals of Statistics 41:2786).

    Raises:
        TooSmall: no arm was given to enough patients.
    """
    score, could = arms.scores(scores)
    given, predicted = arms.given(scores), arms.averaged(scores, scores.predicted - scores.predicted[:, [0]])
    in_reference = scores.given == 0
    means = Means.of(score, could, scores.patient)
    one, all_at_once = means.critical(seed)
    found = [
        Effect(
            arm=name,
            value=float(means.value[arm]),
            error=float(means.error[arm]),
            low=float(means.value[arm] - one * means.error[arm]),
            high=float(means.value[arm] + one * means.error[arm]),
            low_of_all=float(means.value[arm] - all_at_once * means.error[arm]),
            high_of_all=float(means.value[arm] + all_at_once * means.error[arm]),
            predicted=float(predicted[could[:, arm], arm].mean()),
            naive=float(scores.outcome[given[:, arm]].mean() - scores.outcome[in_reference].mean()),
            patients=np.unique(scores.patient[given[:, arm]]).size,
            decisions=int(given[:, arm].sum()),
        )
        for arm, name in enumerate(arms.names)
        if could[:, arm].any() and given[:, arm].any()
    ]
    if not found:
        raise TooSmall(f"no arm was given to {LEAST_PATIENTS} patients or more")
    return tuple(sorted(found, key=lambda effect: -effect.value))


@dataclass(frozen=True)
class Means:
    """Means over eligible decisions and how patients move them.

    Attributes:
        value: (n_arms,).
        error: (n_arms,) standard errors, clustered by patient.
        influence: (n_patients, n_arms) what each patient adds to the error.
    """

    value: np.ndarray
    error: np.ndarray
    influence: np.ndarray

    @classmethod
    def of(cls, score: np.ndarray, could: np.ndarray, patient: np.ndarray) -> "Means":
        """From (n, n_arms) scores and eligibility."""
        counts = np.maximum(could.sum(axis=0), 1)
        value = (score * could).sum(axis=0) / counts
        codes = np.unique(patient, return_inverse=True)[1]
        away = (score - value) * could / counts
        influence = np.stack([np.bincount(codes, weights=column) for column in away.T], axis=1)
        patients = len(influence)
        error = np.sqrt((influence**2).sum(axis=0) * patients / max(patients - 1, 1))
        return cls(value, error, influence)

    def critical(self, seed: int) -> tuple[float, float]:
        """How many standard errors an interval reaches: of one arm, and of all at once."""
        patients = len(self.influence)
        one = float(special.stdtrit(patients - 1, (1 + LEVEL) / 2))
        drawn = np.random.default_rng(seed).standard_normal((DRAWS, patients)) @ self.influence
        largest = np.abs(drawn / np.maximum(self.error, np.finfo(float).tiny)).max(axis=1)
        return one, max(one, float(np.quantile(largest, LEVEL)))
