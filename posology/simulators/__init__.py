"""Simulated patients with known truth."""

from posology.simulators.clinician import Clinician
from posology.simulators.cohort import Cohort, Truth, simulate
from posology.simulators.mechanisms import MECHANISMS
from posology.simulators.world import World

__all__ = ["MECHANISMS", "Clinician", "Cohort", "Truth", "World", "simulate"]
