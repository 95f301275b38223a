"""Off-policy evaluation of a log: decisions as they were met, predicted F, propensities, runs, values of policies."""

from models.offpolicy.choices import LoggedChoices
from models.offpolicy.predicted import cross_fitted_q
from models.offpolicy.propensities import Propensities, propensities_of
from models.offpolicy.runs import coarse_states, runs_of
from models.offpolicy.valuing import ALL, Asked, Valuation, estimators_named, value_policies

__all__ = [
    "ALL",
    "Asked",
    "LoggedChoices",
    "Propensities",
    "Valuation",
    "coarse_states",
    "cross_fitted_q",
    "estimators_named",
    "propensities_of",
    "runs_of",
    "value_policies",
]
