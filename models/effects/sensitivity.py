"""How strong an unobserved confounder would have to be to put another arm before the leading one."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.effects.doubly_robust import LEAST_PATIENTS, Scores
from models.effects.effects import Arms, Effect, Means
from posology.sensitivity import MeanUnderOdds, e_value, odds_that_flip, robustness_value

Strength = Literal["by design", "strong", "moderate", "weak"]
WEAK_BELOW, STRONG_FROM = 2.0, 4.0  # see ``Sensitivity``


@dataclass(frozen=True)
class Sensitivity:
    """The leading arm against another, in the decisions where both could be given.

    Three measures, each for the difference itself and for the end of its
    interval nearest 0 ("sure"). ``odds``: the Γ of the marginal sensitivity
    model at which the order could turn. ``robustness``: the share of what is
    unexplained of outcome and choice both. ``e_value``: a risk ratio.

    ``strength`` is of the sure odds: weak below 2, strong from 4. Rosenbaum
    (2002, Observational Studies, ch. 4) finds Γ = 6 for smoking and lung
    cancer, and 1.3 for coffee and heart attacks. By design: propensities were
    logged, so what moved the choice is in them, and chance cannot explain the
    order. What chance alone can explain is weak.

    Attributes:
        leader, other: names of arms.
        difference, low, high: of their means, with a 95 % interval.
        is_estimated: whether propensities were estimated.
    """

    leader: str
    other: str
    difference: float
    low: float
    high: float
    odds: float
    odds_sure: float
    robustness: float
    robustness_sure: float
    e_value: float
    e_value_sure: float
    is_estimated: bool

    @property
    def strength(self) -> Strength:
        """How firmly the leader leads."""
        if self.low <= 0:
            return "weak"
        if not self.is_estimated:
            return "by design"
        if self.odds_sure < WEAK_BELOW:
            return "weak"
        return "strong" if self.odds_sure >= STRONG_FROM else "moderate"


def sensitivities(scores: Scores, arms: Arms, found: tuple[Effect, ...]) -> tuple[Sensitivity, ...]:
    """The arm with the largest effect against every other and against the reference, the closest first.

    An arm that could be given together with the leader in the decisions of
    fewer than ten patients is left out.
    """
    pairs = _Pairs.of(scores, arms)
    leader = arms.names.index(found[0].arm)
    others = [arms.names.index(effect.arm) for effect in found[1:]] + [len(arms.names)]
    compared = [each for other in others if (each := pairs.compared(leader, other)) is not None]
    return tuple(sorted(compared, key=lambda each: each.difference))


@dataclass(frozen=True)
class _Pairs:
    """Arms with the reference as the last one."""

    scores: Scores
    names: tuple[str, ...]
    score: np.ndarray  # (n, n_arms + 1)
    could: np.ndarray  # (n, n_arms + 1)
    predicted: np.ndarray  # (n, n_arms + 1)
    given: np.ndarray  # (n, n_arms + 1)
    share: np.ndarray  # (n, n_arms + 1) of the arm's eligible contents, each

    @classmethod
    def of(cls, scores: Scores, arms: Arms) -> "_Pairs":
        k = len(scores.ids)
        whole = Arms((*arms.names, scores.ids[0]), np.vstack([arms.member, np.eye(k, dtype=bool)[0]]))
        score, could = whole.scores(scores)
        n_eligible = scores.eligible.astype(float) @ whole.member.T
        return cls(
            scores,
            whole.names,
            score,
            could,
            whole.averaged(scores, scores.predicted),
            whole.given(scores),
            1 / np.maximum(n_eligible, 1),
        )

    def compared(self, leader: int, other: int) -> Sensitivity | None:
        both = self.could[:, leader] & self.could[:, other]
        patient = self.scores.patient[both]
        if np.unique(patient).size < LEAST_PATIENTS or not (self.given[both][:, [leader, other]].any(axis=0)).all():
            return None
        means = Means.of(
            (self.score[both, leader] - self.score[both, other])[:, None], np.ones((len(patient), 1), bool), patient
        )
        half = means.critical(0)[0] * float(means.error[0])
        difference = float(means.value[0])
        sure = max(difference - half, 0.0)
        first, second = self._mean(leader, both), self._mean(other, both)
        residual, weight = self.scores.residual[both], self._weight(leader, both) - self._weight(other, both)
        sd = float(self.scores.outcome.std())
        return Sensitivity(
            leader=self.names[leader],
            other=self.names[other],
            difference=difference,
            low=difference - half,
            high=difference + half,
            odds=odds_that_flip(first, second),
            odds_sure=odds_that_flip(first, second, error=half),
            robustness=robustness_value(max(difference, 0.0), residual, weight),
            robustness_sure=robustness_value(sure, residual, weight),
            e_value=e_value(max(difference, 0.0), sd),
            e_value_sure=e_value(sure, sd),
            is_estimated=self.scores.is_estimated,
        )

    def _weight(self, arm: int, both: np.ndarray) -> np.ndarray:
        return np.where(self.given[both, arm], self.share[both, arm] / self.scores.propensity[both], 0.0)

    def _mean(self, arm: int, both: np.ndarray) -> MeanUnderOdds:
        mine = both & self.given[:, arm]
        return MeanUnderOdds(
            predicted=float(self.predicted[both, arm].mean()),
            residual=self.scores.residual[mine],
            propensity=self.scores.propensity[mine],
            share=self.share[mine, arm],
        )
