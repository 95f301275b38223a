"""Simulators that are learned from a log."""

from models.simulators.fidelity import Fidelity, fidelity
from models.simulators.fitted import Fitted
from models.simulators.world import FittedWorld

__all__ = ["Fidelity", "Fitted", "FittedWorld", "fidelity"]
