"""How far a simulator fitted to a log may be trusted."""

from models.simulators.fidelity.question import Verdict
from models.simulators.fidelity.report import Fidelity, fidelity

__all__ = ["Fidelity", "Verdict", "fidelity"]
