"""A client of the ``/v1`` calls for apps: needs httpx and nothing of the server, so this folder can be copied."""

from .answers import (
    Contribution,
    Decision,
    DecisionKept,
    Explanation,
    Interval,
    Override,
    Plan,
    PlannedDecision,
    Rank,
    Ranked,
    Reconciled,
    Release,
    SessionPlan,
    UserKept,
)
from .client import Client
from .errors import (
    CallError,
    ConflictError,
    InvalidError,
    NoConsentError,
    NotFoundError,
    TokenError,
    UnavailableError,
)

__all__ = [
    "CallError",
    "Client",
    "ConflictError",
    "Contribution",
    "Decision",
    "DecisionKept",
    "Explanation",
    "Interval",
    "InvalidError",
    "NoConsentError",
    "NotFoundError",
    "Override",
    "Plan",
    "PlannedDecision",
    "Rank",
    "Ranked",
    "Reconciled",
    "Release",
    "SessionPlan",
    "TokenError",
    "UnavailableError",
    "UserKept",
]
