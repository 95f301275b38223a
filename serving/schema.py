"""The tables of the operational store."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class UtcMicroseconds(sa.TypeDecorator[datetime]):
    """A UTC time as whole microseconds since 1970: what is read is exactly what was written."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:  # noqa: ARG002
        """The time as the database holds it."""
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Any) -> datetime | None:  # noqa: ARG002
        """The time as Python holds it."""
        return None if value is None else EPOCH + value * MICROSECOND


metadata = sa.MetaData()
JSON = sa.JSON(none_as_null=True)


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=True)


def _of(table: str, *names: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(names, [f"{table}.{name}" for name in names])


def _revision() -> sa.Column[int]:
    return sa.Column("revision", sa.BigInteger, nullable=False)


def _recorded_at() -> sa.Column[datetime]:
    return sa.Column("recorded_at", UtcMicroseconds, nullable=True)


def _changes(table: str) -> sa.Index:
    """What changed in one user's course since a revision is found without looking at the rest of it."""
    return sa.Index(f"{table}_by_revision", "therapy", "user_id", "revision")


# ``revision`` counts the changes of one user's course. A row carries the revision that brought it, so the course
# as it was known at any earlier moment can be read again, whatever came late and whatever the clocks said.
# ``recorded_at`` is when a row came here. An imported history has none: it was known elsewhere, at its own times.
users = sa.Table(
    "users",
    metadata,
    _key("therapy"),
    _key("user_id"),
    sa.Column("enrolled_at", UtcMicroseconds, nullable=False),
    sa.Column("site", sa.Text),
    sa.Column("consent", sa.Boolean, nullable=False),
    sa.Column("consent_withdrawn_at", UtcMicroseconds),
    sa.Column("declared", JSON, nullable=False),
    _revision(),
    _recorded_at(),
)

measurements = sa.Table(
    "measurements",
    metadata,
    _key("therapy"),
    _key("user_id"),
    sa.Column("measured_at", UtcMicroseconds, primary_key=True),
    _key("instrument"),
    sa.Column("score", sa.Double, nullable=False),
    _revision(),
    _recorded_at(),
    _of("users", "therapy", "user_id"),
)

decisions = sa.Table(
    "decisions",
    metadata,
    _key("therapy"),
    _key("decision_id"),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("decided_at", UtcMicroseconds, nullable=False),
    sa.Column("content_id", sa.Text, nullable=False),
    sa.Column("eligible", JSON),
    sa.Column("probability", sa.Double),
    sa.Column("release", sa.Text),
    sa.Column("context", JSON, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("reasons", JSON, nullable=False),
    sa.Column("seed", sa.BigInteger),
    sa.Column("candidates", JSON),
    sa.Column("ranking", JSON),
    sa.Column("course_revision", sa.BigInteger),
    sa.Column("plan_id", sa.Text),
    sa.Column("token", sa.Text),
    sa.Column("arm", sa.Text),
    sa.Column("arm_probability", sa.Double),
    _revision(),
    _recorded_at(),
    _of("users", "therapy", "user_id"),
    _changes("decisions"),
)

feedback = sa.Table(
    "feedback",
    metadata,
    _key("therapy"),
    _key("decision_id"),
    sa.Column("user_id", sa.Text),
    sa.Column("received_at", UtcMicroseconds),
    sa.Column("declared", JSON, nullable=False),
    _revision(),
    _recorded_at(),
    _of("decisions", "therapy", "decision_id"),
    _changes("feedback"),
)

# What is left of a patient who was erased. ``pending`` holds whom to look for in files until they are clean too.
erasures = sa.Table(
    "erasures",
    metadata,
    _key("patient"),
    sa.Column("erasure_id", sa.Text, nullable=False, unique=True),
    sa.Column("erased_at", UtcMicroseconds, nullable=False),
    sa.Column("removed", JSON, nullable=False),
    sa.Column("pending", JSON),
    sa.Column("token", sa.Text),
)

activations = sa.Table(
    "activations",
    metadata,
    _key("therapy"),
    _key("decision_id"),
    sa.Column("user_id", sa.Text),
    sa.Column("activated_at", UtcMicroseconds, nullable=False),
    _revision(),
    _recorded_at(),
    _of("decisions", "therapy", "decision_id"),
    _changes("activations"),
)

# A clinician's content in place of the one decided. What was decided stays as it is; a course shows what was given.
overrides = sa.Table(
    "overrides",
    metadata,
    _key("therapy"),
    _key("decision_id"),
    sa.Column("content_id", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("overridden_at", UtcMicroseconds, nullable=False),
    sa.Column("reasons", JSON, nullable=False),
    sa.Column("token", sa.Text),
    _revision(),
    _recorded_at(),
    _of("decisions", "therapy", "decision_id"),
)

# A plan for days without network. Its decisions come into ``decisions`` once they were delivered.
plans = sa.Table(
    "plans",
    metadata,
    _key("therapy"),
    _key("plan_id"),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("issued_at", UtcMicroseconds, nullable=False),
    sa.Column("release", sa.Text, nullable=False),
    sa.Column("request", JSON, nullable=False),
    sa.Column("document", JSON, nullable=False),
    sa.Column("rankings", JSON, nullable=False),
    sa.Column("course_revision", sa.BigInteger, nullable=False),
    sa.Column("arm", sa.Text),
    sa.Column("arm_probability", sa.Double),
    sa.Column("token", sa.Text),
    _revision(),
    _recorded_at(),
    _of("users", "therapy", "user_id"),
)

# Of the service, not of a therapy: whoever may call, with the digest of what they send.
tokens = sa.Table(
    "tokens",
    metadata,
    _key("token_id"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("scopes", JSON, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("created_at", UtcMicroseconds, nullable=False),
    sa.Column("calls_per_second", sa.Double),
    sa.Column("valid_until", UtcMicroseconds),
    sa.Column("replaced_by", sa.Text),
)

# What a release that did not decide would have done: one that runs in the shadow, or an apprentice.
considered = sa.Table(
    "considered",
    metadata,
    _key("therapy"),
    _key("decision_id"),
    _key("release"),
    sa.Column("content_id", sa.Text, nullable=False),
    sa.Column("probability", sa.Double, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("reasons", JSON, nullable=False),
    sa.Column("ranking", JSON, nullable=False),
    _recorded_at(),
    _of("decisions", "therapy", "decision_id"),
)
