"""Simulated patients with known truth: one interface, ``Simulator``, whatever they are made of."""

from posology.simulators.clinician import Clinician
from posology.simulators.cohort import Cohort, Truth, simulate, treat
from posology.simulators.mechanisms import MECHANISMS
from posology.simulators.policies import Moment, Policy
from posology.simulators.simulator import Simulator
from posology.simulators.world import World

__all__ = ["MECHANISMS", "Clinician", "Cohort", "Moment", "Policy", "Simulator", "Truth", "World", "simulate", "treat"]
