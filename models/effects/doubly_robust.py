"""Doubly robust scores of every content, cross-fitted by patient."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from models.effects.nuisances import ContentOutcome, KeptScores, LoggedPropensity
from models.effects.outcomes import where
from models.offpolicy import LoggedChoices, Propensities, propensities_of
from models.offpolicy.predicted import folds
from models.targets import Target
from posology.errors import CannotDo, TooSmall

FOLDS = 5
LEAST_PATIENTS = 10  # given a content; below it no interval can be trusted (Cameron, Gelbach & Miller 2008)


@dataclass(frozen=True)
class Scores:
    """n decisions and what each says of k contents; the reference, the therapy's safe default, is the first.

    Attributes:
        ids: (k,) of the contents that enough patients were given.
        too_few: content_id → patients, of all others.
        patient: (n,) codes.
        outcome: (n,) what came of the decision.
        given: (n,) which of the k was given; k for any other.
        propensity: (n,) of what was given.
        is_estimated: whether propensities are estimates and not what was logged.
        predicted: (n, k) outcome predicted by a model that never saw the patient.
        difference: (n, k) doubly robust score of each content minus that of the reference.
        eligible: (n, k) whether it could be given.
    """

    ids: tuple[str, ...]
    too_few: dict[str, int]
    patient: np.ndarray
    outcome: np.ndarray
    given: np.ndarray
    propensity: np.ndarray
    is_estimated: bool
    predicted: np.ndarray
    difference: np.ndarray
    eligible: np.ndarray

    @classmethod
    def of(cls, choices: LoggedChoices, target: Target, propensities: Propensities | None = None) -> Self:
        """The scores of a log, by EconML's ``DRLearner``.

        q(x, b) − q(x, 0) + [1(a = b) / p(b|x) − 1(a = 0) / p(0|x)] (y − q(x, a)): a the content given, 0 the
        reference, q the predicted outcome, p the propensity. Right on average where p or q is right and all that
        moved the choice is known to p or q (Robins, Rotnitzky & Zhao 1994, JASA 89:846; cross-fitting:
        Chernozhukov et al. 2018, The Econometrics Journal 21:C1).

        Args:
            choices: the log; ``reward`` is the outcome.
            target: what the outcome is.
            propensities: of what was given; as logged, else estimated, when not given.

        Raises:
            CannotDo: EconML is not installed.
            TooSmall: one content alone, one outcome alone, or too few patients.
        """
        learner = _learner()
        given_by = propensities or propensities_of(choices)
        choices, propensity = _known(choices, given_by.given)
        patients, kept = _kept(choices)
        ids = choices.decisions.tables.contents["content_id"].to_list()
        rest = np.setdiff1d(np.arange(len(ids)), kept)
        code = np.full(len(ids), len(kept))
        code[kept] = np.arange(len(kept))
        is_rest = code[choices.given] == len(kept)
        if not all(is_rest[learnt].any() for learnt, _ in folds(choices.patient, FOLDS)):  # too rare to be learnt
            choices, propensity = where(choices, ~is_rest), propensity[~is_rest]
            places = [np.array([place]) for place in kept]
        else:
            places = [*(np.array([place]) for place in kept), rest]
        splits = list(folds(choices.patient, FOLDS))
        found = learner(
            model_regression=ContentOutcome(choices, places, target),
            model_propensity=LoggedPropensity(propensity, len(places)),
            model_final=KeptScores(),
            multitask_model_final=True,
            min_propensity=np.finfo(float).tiny,
            categories=list(range(len(places))),
            cv=splits,
            random_state=0,
        ).fit(choices.reward, code[choices.given], W=np.arange(len(choices))[:, None], inference=None)
        predicted = np.empty((len(choices), len(places)))
        for model, (_, judged) in zip(found.models_regression[0], splits, strict=True):
            predicted[judged] = model.of_treatments(judged)
        k = len(kept)
        return cls(
            ids=tuple(ids[place] for place in kept),
            too_few={ids[place]: int(patients[place]) for place in rest},
            patient=choices.patient,
            outcome=choices.reward,
            given=code[choices.given],
            propensity=propensity,
            is_estimated=given_by.is_estimated,
            predicted=predicted[:, :k],
            difference=np.column_stack([np.zeros(len(choices)), found.multitask_model_cate.scores_])[:, :k],
            eligible=choices.decisions.eligible[:, kept],
        )

    def __len__(self) -> int:
        return len(self.outcome)

    def where(self, keep: np.ndarray, columns: list[int]) -> Self:
        """The decisions for which ``keep`` is true, and some of the contents; the reference must be the first."""
        place = np.full(len(self.ids) + 1, len(columns))
        place[columns] = np.arange(len(columns))
        return replace(
            self,
            ids=tuple(self.ids[column] for column in columns),
            patient=self.patient[keep],
            outcome=self.outcome[keep],
            given=place[self.given[keep]],
            propensity=self.propensity[keep],
            predicted=self.predicted[keep][:, columns],
            difference=self.difference[keep][:, columns],
            eligible=self.eligible[keep][:, columns],
        )

    @property
    def residual(self) -> np.ndarray:
        """(n,) outcome minus the prediction for what was given; 0 where that is none of the k."""
        is_one = self.given < len(self.ids)
        own = self.predicted[np.arange(len(self)), np.where(is_one, self.given, 0)]
        return np.where(is_one, self.outcome - own, 0.0)


def _learner() -> Any:
    try:
        from econml.dr import DRLearner
    except ImportError as error:
        raise CannotDo(
            "effects of content need EconML, which is not installed: pip install 'posology[causal]'"
        ) from error
    return DRLearner


def _known(choices: LoggedChoices, propensity: np.ndarray) -> tuple[LoggedChoices, np.ndarray]:
    """The decisions whose propensity is known."""
    known = np.isfinite(propensity)
    if known.all():
        return choices, propensity
    return where(choices, known), propensity[known]


def _kept(choices: LoggedChoices) -> tuple[np.ndarray, list[int]]:
    """(n_contents,) patients given each content, and the places of those with enough, the reference first."""
    if np.ptp(choices.reward) == 0:
        raise TooSmall("the outcome is the same in every decision: no effect can be told")
    contents = choices.decisions.tables.contents["content_id"].to_list()
    pairs = np.unique(np.column_stack([choices.given, choices.patient]), axis=0)
    patients = np.bincount(pairs[:, 0], minlength=len(contents))
    reference = contents.index(choices.decisions.therapy.safety.safe_default)
    if patients[reference] < LEAST_PATIENTS:
        raise TooSmall(
            f"{contents[reference]}, the reference of every effect, was given to {patients[reference]} patients; "
            f"expected {LEAST_PATIENTS} or more"
        )
    kept = [place for place in np.flatnonzero(patients >= LEAST_PATIENTS).tolist() if place != reference]
    if not kept:
        raise TooSmall(
            f"no content but {contents[reference]} was given to {LEAST_PATIENTS} patients or more: "
            "there is nothing to compare it with"
        )
    return patients, [reference, *kept]
