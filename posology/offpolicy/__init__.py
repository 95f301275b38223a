"""Off-policy evaluation: what a policy would have done on decisions another policy made."""

from posology.offpolicy.evaluation import ESTIMATORS, Comparison, Estimate, evaluate
from posology.offpolicy.log import LoggedDecisions
from posology.offpolicy.overlap import OverlapRule

__all__ = ["ESTIMATORS", "Comparison", "Estimate", "LoggedDecisions", "OverlapRule", "evaluate"]
