"""Policies over courses: situation and eligible contents → a probability for each content."""

from models.policies.decisions import Decisions
from models.policies.dpo import Dpo
from models.policies.fixed_schedule import FixedSchedule
from models.policies.last_best import LastBest
from models.policies.most_popular import MostPopular
from models.policies.policy import Policy
from models.policies.random import Random

__all__ = ["Decisions", "Dpo", "FixedSchedule", "LastBest", "MostPopular", "Policy", "Random"]
