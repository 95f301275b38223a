"""Simulators that are learned from a log."""

from models.simulators.fitted import Fitted
from models.simulators.world import FittedWorld

__all__ = ["Fitted", "FittedWorld"]
