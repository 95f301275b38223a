"""The rows the store takes and gives."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from serving.access.caller import calling_token


@dataclass(frozen=True)
class _Row:
    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, datetime) and value.tzinfo is None:
                raise ValueError(f"{field.name}: expected a time with its zone")

    def as_row(self) -> dict[str, Any]:
        """The values by column of the row's table."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


@dataclass(frozen=True)
class User(_Row):
    """A patient. ``declared`` holds the U columns."""

    user_id: str
    enrolled_at: datetime
    site: str | None
    consent: bool
    declared: Mapping[str, Any]
    consent_withdrawn_at: datetime | None = None

    def consents(self, at: datetime) -> bool:
        """Whether the patient had consented and not withdrawn it by then."""
        return self.consent and (self.consent_withdrawn_at is None or at < self.consent_withdrawn_at)


@dataclass(frozen=True)
class Measurement(_Row):
    """One reading of an instrument."""

    user_id: str
    measured_at: datetime
    instrument: str
    score: float


@dataclass(frozen=True)
class Decision(_Row):
    """One decision with everything needed to make it again.

    A decision made elsewhere (an imported history) has no seed, ranking or
    course revision and its source is ``imported``.

    Attributes:
        release: what decided, see ``serving.modes.arms.Arm.logged_as``.
        ranking: every content with probability, predictions and reasons, as answered.
        course_revision: the revision of the user's course it was computed from.
        plan_id: the plan for days without network that it was part of.
        token: the id of the token whose caller asked for it: of the call that is being answered, unless given.
        arm: the patient's.
        arm_probability: with which a patient was in that arm. ``probability`` is the content's within the arm.
    """

    decision_id: str
    user_id: str
    decided_at: datetime
    content_id: str
    eligible: tuple[str, ...] | None
    probability: float | None
    release: str | None
    context: Mapping[str, Any]
    source: str = "imported"
    reasons: tuple[str, ...] = ()
    seed: int | None = None
    candidates: tuple[str, ...] | None = None
    ranking: tuple[Mapping[str, Any], ...] | None = None
    course_revision: int | None = None
    plan_id: str | None = None
    token: str | None = dataclasses.field(default_factory=calling_token.get)
    arm: str | None = None
    arm_probability: float | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Decision":
        """The decision a stored row holds."""
        values: dict[str, Any] = {field.name: row[field.name] for field in fields(cls)}
        for name in ("eligible", "reasons", "candidates", "ranking"):
            values[name] = None if values[name] is None else tuple(values[name])
        return cls(**values)


@dataclass(frozen=True)
class Feedback(_Row):
    """What came back after a decision's content. ``declared`` holds the F columns."""

    decision_id: str
    received_at: datetime | None
    declared: Mapping[str, Any]


@dataclass(frozen=True)
class Override(_Row):
    """A clinician's content in place of the one decided.

    Attributes:
        reasons: codes that blocked the content in that decision, which the clinician was told.
        token: as of a decision.
    """

    decision_id: str
    content_id: str
    by: str
    reason: str
    overridden_at: datetime
    reasons: tuple[str, ...] = ()
    token: str | None = dataclasses.field(default_factory=calling_token.get)


@dataclass(frozen=True)
class Plan(_Row):
    """Decisions for days without network, as they were signed.

    Attributes:
        request: what it was asked for, with the seed and the beginning that were settled on.
        document: what was answered, with its signature.
        rankings: of each decision in turn every content with probability, predictions and reasons.
        course_revision: the revision of the user's course it was computed from.
        arm: and its probability, and the token, are as of a decision.
    """

    plan_id: str
    user_id: str
    issued_at: datetime
    release: str
    request: Mapping[str, Any]
    document: Mapping[str, Any]
    rankings: tuple[Any, ...]
    course_revision: int
    arm: str | None = None
    arm_probability: float | None = None
    token: str | None = dataclasses.field(default_factory=calling_token.get)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Plan":
        """The plan a stored row holds."""
        values: dict[str, Any] = {field.name: row[field.name] for field in fields(cls)}
        return cls(**{**values, "rankings": tuple(values["rankings"])})


@dataclass(frozen=True)
class Considered(_Row):
    """What a release that did not decide would have done in a decision."""

    decision_id: str
    release: str
    content_id: str
    probability: float
    source: str
    reasons: tuple[str, ...]
    ranking: tuple[Mapping[str, Any], ...]
