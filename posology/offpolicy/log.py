"""What off-policy evaluation is given: logged decisions and what a target policy would have done in them."""

from dataclasses import dataclass, fields, replace

import numpy as np

from posology.errors import TooSmall


@dataclass(frozen=True)
class LoggedDecisions:
    """n decisions whose feedback is known.

    Attributes:
        patient: whose decision it is; any integer codes.
        reward: F.
        propensity: the probability with which the content given was chosen,
            as logged then; not a number where it was not logged.
        target: the target policy's probability of the content given.
        predicted_given: q(x, a), the predicted F of the content given.
        predicted_target: Σ_a π(a|x) q(x, a), the predicted F under the target policy.
        n_eligible: how many contents were eligible.
    """

    patient: np.ndarray  # (n,) int
    reward: np.ndarray  # (n,) in [0, 1]
    propensity: np.ndarray  # (n,) in (0, 1] or nan
    target: np.ndarray  # (n,) in [0, 1]
    predicted_given: np.ndarray  # (n,)
    predicted_target: np.ndarray  # (n,)
    n_eligible: np.ndarray  # (n,) int, at least 1

    def __post_init__(self) -> None:
        shapes = {field.name: np.shape(getattr(self, field.name)) for field in fields(self)}
        if any(len(shape) != 1 or shape != shapes["patient"] for shape in shapes.values()):
            raise ValueError(f"logged decisions: expected arrays of one length, got shapes {shapes}")
        if not len(self):
            raise TooSmall("logged decisions: expected one decision or more, got none")
        bad = [name for name, is_right in self._rules().items() if not is_right.all()]
        if bad:
            raise ValueError(f"logged decisions: out of range: {', '.join(bad)}")

    def __len__(self) -> int:
        return len(self.patient)

    @property
    def weights(self) -> np.ndarray:
        """(n,) importance weights π(a|x) / p(a|x); not a number where the propensity was not logged."""
        return self.target / self.propensity

    @property
    def has_propensity(self) -> np.ndarray:
        """(n,) whether the propensity was logged."""
        return ~np.isnan(self.propensity)

    def where(self, keep: np.ndarray) -> "LoggedDecisions":
        """The decisions for which ``keep`` is true.

        Raises:
            TooSmall: none is.
        """
        return replace(self, **{field.name: getattr(self, field.name)[keep] for field in fields(self)})

    def _rules(self) -> dict[str, np.ndarray]:
        propensity = np.where(self.has_propensity, self.propensity, 1.0)
        return {
            "reward (expected 0 to 1)": (self.reward >= 0) & (self.reward <= 1),
            "propensity (expected above 0, at most 1, or nan)": (propensity > 0) & (propensity <= 1),
            "target (expected 0 to 1)": (self.target >= 0) & (self.target <= 1),
            "predicted_given (expected finite)": np.isfinite(self.predicted_given),
            "predicted_target (expected finite)": np.isfinite(self.predicted_target),
            "n_eligible (expected 1 or more)": self.n_eligible >= 1,
        }
