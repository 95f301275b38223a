"""What off-policy evaluation is given from a log: decisions as they were met, predicted F, propensities, runs."""

from models.offpolicy.choices import LoggedChoices
from models.offpolicy.predicted import cross_fitted_q
from models.offpolicy.propensities import Propensities, propensities_of
from models.offpolicy.runs import coarse_states, runs_of

__all__ = ["LoggedChoices", "Propensities", "coarse_states", "cross_fitted_q", "propensities_of", "runs_of"]
