"""Simulated patients with known truth: one interface, ``Simulator``, whatever they are made of."""

from posology.simulators.cohort import Cohort
from posology.simulators.conditions import Conditions
from posology.simulators.informed import Informed, informed_feedback
from posology.simulators.mechanisms import MECHANISMS
from posology.simulators.policies import Clinician, EpsilonGreedy, Moment, Oracle, Policy
from posology.simulators.simulator import Simulator
from posology.simulators.treatment import simulate, treat
from posology.simulators.truth import Truth, value_of
from posology.simulators.world import World

__all__ = [
    "MECHANISMS",
    "Clinician",
    "Cohort",
    "Conditions",
    "EpsilonGreedy",
    "Informed",
    "Moment",
    "Oracle",
    "Policy",
    "Simulator",
    "Truth",
    "World",
    "informed_feedback",
    "simulate",
    "treat",
    "value_of",
]
