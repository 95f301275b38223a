"""Off-policy evaluation of runs of decisions: a policy followed for several decisions, not one."""

from posology.offpolicy.sequential.evaluation import SEQUENTIAL, evaluate_runs
from posology.offpolicy.sequential.trajectories import Trajectories

__all__ = ["SEQUENTIAL", "Trajectories", "evaluate_runs"]
