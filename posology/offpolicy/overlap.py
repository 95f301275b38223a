"""Whether a log can say anything about a policy at all."""

from dataclasses import dataclass

import numpy as np

from posology.bootstrap import MINIMUM_PATIENTS, Resamples, ratio, sums_per_patient
from posology.offpolicy.log import LoggedDecisions

ROUNDING = 1e-9


@dataclass(frozen=True)
class Overlap:
    """What the importance weights look like; ``reasons`` is empty when they will do."""

    reasons: tuple[str, ...]
    effective_sample_size: float | None


@dataclass(frozen=True)
class OverlapRule:
    """When a log is too far from a policy to judge it.

    Attributes:
        minimum_effective_sample_size: decisions, (Σw)² / Σw² (Kish 1965).
            F lies in [0, 1], so its standard deviation is at most
            0.5 and 100 decisions bound the standard error at 0.05.
        largest_patient_share: of all weight, that one patient may carry; beyond
            it the estimate is about that patient.
        largest_unusable_share: of decisions, that may lack a propensity or be
            deterministic although several contents were eligible. F lies in
            [0, 1], so that share bounds the bias they can cause.
        deterministic_from: the probability from which a choice counts as no choice.
        weight_tolerance: how far from 1 the mean weight may truly lie. Under
            right propensities it is 1; logs round theirs.
        level: of the interval of the mean weight; high, so that a sound log is
            seldom refused.
    """

    minimum_effective_sample_size: float = 100.0
    largest_patient_share: float = 0.1
    largest_unusable_share: float = 0.01
    deterministic_from: float = 0.999
    weight_tolerance: float = 0.01
    level: float = 0.99

    def diagnose(self, log: LoggedDecisions, rng: np.random.Generator) -> Overlap:
        """Every reason, in words, why the log cannot judge the policy."""
        known = log.has_propensity
        missing = _share(~known, self.largest_unusable_share, "have no logged propensity; log it with each decision")
        if not known.any() or missing:
            return Overlap(missing, None)
        log = log.where(known)
        deterministic = (log.propensity >= self.deterministic_from) & (log.n_eligible > 1)
        size = effective_sample_size(log.weights)
        reasons = (
            *_share(
                deterministic,
                self.largest_unusable_share,
                "were deterministic though several contents were eligible; explore with a floor above zero",
            ),
            *self._too_small(size),
            *(self._off_balance(log, rng) or self._dominated(log)),
        )
        return Overlap(reasons, size)

    def _too_small(self, size: float) -> tuple[str, ...]:
        if size >= self.minimum_effective_sample_size:
            return ()
        least = self.minimum_effective_sample_size
        return (f"the effective sample size is {size:.1f} decisions, at least {least:g} are needed",)

    def _off_balance(self, log: LoggedDecisions, rng: np.random.Generator) -> tuple[str, ...]:
        patients = len(np.unique(log.patient))
        if patients < MINIMUM_PATIENTS:
            return (f"there are decisions of {patients} patients, at least {MINIMUM_PATIENTS} are needed",)
        terms = np.stack([log.weights, np.ones(len(log))], axis=1)
        mean = Resamples.of(log.patient, terms, rng).interval(ratio, level=self.level)
        slack = self.weight_tolerance + ROUNDING
        if mean.low <= 1 + slack and mean.high >= 1 - slack:
            return ()
        return (
            f"the mean importance weight is {mean} and should be 1: the propensities are not those used, "
            "or the policy gives contents that were never given",
        )

    def _dominated(self, log: LoggedDecisions) -> tuple[str, ...]:
        weight_per_patient = sums_per_patient(log.patient, log.weights[:, None])[:, 0]
        share = weight_per_patient.max() / weight_per_patient.sum() if weight_per_patient.any() else 1.0
        if share <= self.largest_patient_share:
            return ()
        return (f"one patient carries {share:.0%} of all weight, at most {self.largest_patient_share:.0%} is allowed",)


def effective_sample_size(weights: np.ndarray) -> float:
    """Kish's (Σw)² / Σw²: as many equally weighted decisions would tell as much; 0 when all weights are."""
    squares = float(np.square(weights).sum())
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0


def _share(is_so: np.ndarray, largest: float, what: str) -> tuple[str, ...]:
    share = float(is_so.mean())
    return (f"{share:.1%} of decisions {what}",) if share > largest else ()
