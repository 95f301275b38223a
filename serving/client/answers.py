"""What the calls answer. The service's OpenAPI document takes its schemas from here.

An answer may one day say more: what is not declared here is left aside.
"""

from dataclasses import dataclass, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Interval:
    """A prediction: mean and the ends of its interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Ranked:
    """One content in one decision; ``reasons`` are the codes that block it."""

    content_id: str
    probability: float
    eligible: bool
    feedback: Interval | None
    status: Interval | None
    reasons: list[str]


@dataclass(frozen=True)
class Contribution:
    """What one thing adds to a prediction, in units of the target."""

    name: str
    adds: float


@dataclass(frozen=True)
class Explanation:
    """For each prediction of the chosen content what moved it, the largest first; the parts sum to it."""

    feedback: list[Contribution] | None
    status: list[Contribution] | None


@dataclass(frozen=True, kw_only=True)
class Rank:
    """A choice and how every content stood, the most probable first.

    ``source`` is ``model``, ``safe_default`` or ``schedule``; ``because`` says what each
    reason code in the answer means, for clinicians; ``message`` is one
    sentence for the patient, in the therapy's words, null where it has none.
    """

    content_id: str
    probability: float
    release: str
    source: str
    reasons: list[str]
    seed: int
    because: dict[str, str]
    message: str | None
    ranking: list[Ranked]
    explanation: Explanation | None = None


@dataclass(frozen=True, kw_only=True)
class Decision(Rank):
    """A choice that was kept; ``decision_id`` is null of a safe default that no disk took."""

    decision_id: str | None


@dataclass(frozen=True)
class SessionPlan:
    """Several decisions for one session, in the order to give them."""

    decisions: list[Decision]


@dataclass(frozen=True)
class PlannedDecision:
    """A content of a plan, to be given within its times."""

    decision_id: str
    not_before: str
    not_after: str
    content_id: str
    probability: float
    source: str
    reasons: list[str]
    message: str | None


@dataclass(frozen=True)
class Plan:
    """Decisions for days without network. ``signed`` is all the rest as a compact JWS (EdDSA)."""

    plan_id: str
    user_id: str
    release: str
    issued_at: str
    expires_at: str
    decisions: list[PlannedDecision]
    signed: str


@dataclass(frozen=True)
class Reconciled:
    """Which decisions of a plan count as given by now, and how many do not."""

    plan_id: str
    given: list[str]
    not_given: int


@dataclass(frozen=True)
class Override:
    """What is given instead, and the codes that the shield has against it."""

    decision_id: str
    content_id: str
    instead_of: str
    reasons: list[str]
    because: dict[str, str]
    message: str | None


@dataclass(frozen=True)
class DecisionKept:
    """It was kept."""

    decision_id: str


@dataclass(frozen=True)
class UserKept:
    """It was kept."""

    user_id: str


@dataclass(frozen=True)
class Receipt:
    """That a patient was erased: ``patient`` is a digest, ``removed`` counts rows by table.

    ``complete`` is true once files that are not in the database are clean too.
    """

    erasure_id: str
    patient: str
    erased_at: str
    removed: dict[str, int]
    complete: bool


@dataclass(frozen=True)
class Release:
    """What is served, since when, by which plan of modes, what runs beside it, and the key of signed plans."""

    release: str
    digest: str
    digests: dict[str, str]
    therapy: dict[str, Any]
    signatures: list[dict[str, Any]]
    since: str
    plan: dict[str, Any]
    beside: dict[str, Any] | None
    plan_key: dict[str, str] | None


@dataclass(frozen=True)
class Column:
    """A column the therapy declares; ``kind`` says what may stand in it. What is not said is None."""

    kind: str
    minimum: float | None = None
    maximum: float | None = None
    unit: str | None = None
    values: list[str] | None = None
    protected: bool = False
    encode: bool = False


@dataclass(frozen=True)
class Status:
    """The therapy's instrument; ``better`` is ``higher`` or ``lower``."""

    instrument: str
    minimum: float
    maximum: float
    better: str
    smallest_important_change: float
    final_after_days: float
    final_window_days: float


@dataclass(frozen=True)
class FeedbackDeclared:
    """What comes back after a content, and the expression that makes F of it; ``missing`` is what silence is worth."""

    columns: dict[str, Column]
    value: str
    due_hours: float
    missing: float | None = None


@dataclass(frozen=True, kw_only=True)
class Therapy:
    """The therapy as its file declares it, with the contents of the release. What it does not have is None."""

    name: str
    title: str
    version: int
    user: dict[str, Column]
    context: dict[str, Column]
    content: dict[str, Column]
    catalogue: list[dict[str, Any]]
    safety: dict[str, Any]
    objective: str
    exploration: dict[str, float]
    monotony: float
    status: Status | None = None
    feedback: FeedbackDeclared | None = None
    noninferiority_margin: float | None = None
    words: dict[str, Any] | None = None


def read_answer(kind: type[Answer], body: Any) -> Answer:
    """The JSON of an answer as its dataclass."""
    return kind(**{name: _value(hint, body[name]) for name, hint in get_type_hints(kind).items() if name in body})


def _value(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if get_origin(hint) is UnionType:
        hint = next(kind for kind in get_args(hint) if kind is not NoneType)
    if get_origin(hint) is list:
        return [_value(get_args(hint)[0], item) for item in value]
    if get_origin(hint) is dict:
        return {name: _value(get_args(hint)[1], item) for name, item in value.items()}
    return read_answer(hint, value) if isinstance(hint, type) and is_dataclass(hint) else value
