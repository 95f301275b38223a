"""What sequential off-policy evaluation is given: runs of a patient's decisions, all of one length."""

from dataclasses import dataclass, fields, replace

import numpy as np

from posology.errors import TooSmall
from posology.offpolicy.log import LoggedDecisions

STEPWISE = ("rewards", "propensity", "target", "predicted_given", "predicted_target", "state", "n_eligible")


@dataclass(frozen=True)
class Trajectories:
    """n runs of ``horizon`` decisions whose feedback is known.

    Attributes:
        patient: whose run it is; any integer codes. A patient may have several.
        rewards: F.
        propensity: the probability with which the content given was chosen; nan where not logged.
        target: the target policy's probability of the content given.
        predicted_given: Q_t(x, a) = E[Σ_k≥t γ^(k−t) r_k], to the end of the run under the target policy.
        predicted_target: V_t(x) = Σ_b π(b|x) Q_t(x, b).
        state: a code of the situation, of few; for the marginalised ratio.
        n_eligible: how many contents were eligible.
        discount: γ, what F is worth a decision later.
    """

    patient: np.ndarray  # (n,) int
    rewards: np.ndarray  # (n, horizon) in [0, 1]
    propensity: np.ndarray  # (n, horizon) in (0, 1] or nan
    target: np.ndarray  # (n, horizon) in [0, 1]
    predicted_given: np.ndarray  # (n, horizon)
    predicted_target: np.ndarray  # (n, horizon)
    state: np.ndarray  # (n, horizon) int, at least 0
    n_eligible: np.ndarray  # (n, horizon) int, at least 1
    discount: float = 1.0

    def __post_init__(self) -> None:
        if not len(self.patient):
            raise TooSmall("trajectories: expected one run of decisions or more, got none")
        shapes = {name: np.shape(getattr(self, name)) for name in STEPWISE}
        shape = shapes["rewards"]
        if len(shape) != 2 or not shape[1] or any(other != shape for other in shapes.values()):
            raise ValueError(f"trajectories: expected arrays (n, horizon) of one shape, got {shapes}")
        if np.shape(self.patient) != shape[:1]:
            raise ValueError(f"trajectories: expected {shape[0]} patients, one a run, got {np.shape(self.patient)}")
        if not 0 <= self.discount <= 1:
            raise ValueError(f"trajectories: expected a discount from 0 to 1, got {self.discount:g}")
        if not (np.issubdtype(self.state.dtype, np.integer) and (self.state >= 0).all()):
            raise ValueError("trajectories: expected whole numbers from 0 on as states")
        self.steps  # noqa: B018 - its ranges are checked as those of single decisions

    def __len__(self) -> int:
        return len(self.patient)

    @property
    def horizon(self) -> int:
        """Decisions in a run."""
        return int(self.rewards.shape[1])

    @property
    def shares(self) -> np.ndarray:
        """(horizon,) γ^t / Σ γ^t: what each decision counts, so that a value is a mean F."""
        discounts = self.discount ** np.arange(self.horizon)
        return np.asarray(discounts / discounts.sum())

    @property
    def scale(self) -> float:
        """Σ γ^t: by it a predicted value is divided to be a mean F."""
        return float((self.discount ** np.arange(self.horizon)).sum())

    @property
    def reward(self) -> np.ndarray:
        """(n,) mean F of each run, discounted."""
        return np.asarray(self.rewards @ self.shares)

    @property
    def weights(self) -> np.ndarray:
        """(n, horizon) π(a|x) / p(a|x) of each decision alone."""
        return self.target / self.propensity

    @property
    def weights_so_far(self) -> np.ndarray:
        """(n, horizon) the product of the weights up to and with each decision."""
        return np.cumprod(self.weights, axis=1)

    @property
    def has_propensity(self) -> np.ndarray:
        """(n,) whether all propensities of a run are known."""
        return ~np.isnan(self.propensity).any(axis=1)

    def where(self, keep: np.ndarray) -> "Trajectories":
        """The runs for which ``keep`` is true.

        Raises:
            TooSmall: none is.
        """
        arrays = (field.name for field in fields(self) if field.name != "discount")
        return replace(self, **{name: getattr(self, name)[keep] for name in arrays})

    @property
    def runs(self) -> LoggedDecisions:
        """Every run as if it were one decision, with the products of its probabilities: for overlap."""
        return LoggedDecisions(
            patient=self.patient,
            reward=self.reward,
            propensity=self.propensity.prod(axis=1),
            target=self.target.prod(axis=1),
            predicted_given=self.predicted_given[:, 0],
            predicted_target=self.predicted_target[:, 0],
            n_eligible=self.n_eligible.max(axis=1),
        )

    @property
    def steps(self) -> LoggedDecisions:
        """Every decision alone."""
        return LoggedDecisions(
            patient=np.repeat(self.patient, self.horizon),
            reward=self.rewards.ravel(),
            propensity=self.propensity.ravel(),
            target=self.target.ravel(),
            predicted_given=self.predicted_given.ravel(),
            predicted_target=self.predicted_target.ravel(),
            n_eligible=self.n_eligible.ravel(),
        )
