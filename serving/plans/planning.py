"""Deciding ahead: the contents of the coming days, each as if those before it had been given."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

import polars as pl

from models.choice import Choice
from models.release import Release
from posology.tables import Tables, schema_of
from serving.fallback import safe_choice
from serving.plans.pending import unanswered_while
from serving.ranking import decide

DAY = timedelta(days=1)
SEEDS = 2**63
APART = timedelta(microseconds=1)  # contents of one day: each sees those before it


@dataclass(frozen=True)
class Terms:
    """What a plan is asked for, with everything settled: the same gives the same plan.

    Attributes:
        context: what is known to hold on all days; what is None is not known, and a rule that needs it forbids.
        seed: of the first draw; the next have the next numbers.
    """

    days: int
    contents_per_day: int
    starts_at: datetime
    context: Mapping[str, Any]
    candidates: tuple[str, ...] | None
    seed: int

    @property
    def ends_at(self) -> datetime:
        """Nothing of the plan is given later."""
        return self.starts_at + self.days * DAY

    def seed_of(self, number: int) -> int:
        """Of one of the draws."""
        return (self.seed + number) % SEEDS

    @property
    def decisions(self) -> int:
        """How many there are."""
        return self.days * self.contents_per_day

    def day_of(self, number: int) -> tuple[datetime, int]:
        """When the day of one of the decisions begins, and its place in that day."""
        day, place = divmod(number, self.contents_per_day)
        return self.starts_at + day * DAY, place

    def as_json(self) -> dict[str, Any]:
        """For the store."""
        candidates = None if self.candidates is None else list(self.candidates)
        told = {"starts_at": self.starts_at.isoformat(), "context": dict(self.context), "candidates": candidates}
        return {"days": self.days, "contents_per_day": self.contents_per_day, "seed": self.seed, **told}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """From the store."""
        candidates = None if told["candidates"] is None else tuple(told["candidates"])
        return cls(**{**told, "starts_at": datetime.fromisoformat(told["starts_at"]), "candidates": candidates})


@dataclass(frozen=True)
class Planned:
    """One content of a plan, to be given within its day."""

    not_before: datetime
    not_after: datetime
    choice: Choice


def planned(release: Release, tables: Tables, terms: Terms, *, now: datetime) -> tuple[Planned, ...]:
    """The decisions of a plan in order of time.

    Args:
        release: what decides.
        tables: everything known of exactly one user.
        terms: what is asked for.
        now: when the plan is made.
    """
    deciding, known = unanswered_while(release, tables, now=now, days=(terms.ends_at - now).days + 1)
    made: list[Planned] = []
    for number in range(terms.decisions):
        begin, place = terms.day_of(number)
        choice = decide(
            deciding,
            known,
            now=begin + place * APART,
            context=terms.context,
            candidates=terms.candidates,
            seed=terms.seed_of(number),
        )
        made.append(Planned(begin, begin + DAY, choice))
        known = _given(
            release, known, choice.content_id, at=begin + place * APART, number=number, context=terms.context
        )
    return tuple(made)


def planned_safely(release: Release, terms: Terms, reason: str) -> tuple[Planned, ...]:
    """The safe default at each place of a plan, for this reason."""
    days = ((number, terms.day_of(number)[0]) for number in range(terms.decisions))
    return tuple(
        Planned(begin, begin + DAY, safe_choice(release, terms.seed_of(number), reason)) for number, begin in days
    )


def _given(
    release: Release, tables: Tables, content_id: str, *, at: datetime, number: int, context: Mapping[str, Any]
) -> Tables:
    """The course with one content more, which nobody has answered."""
    schema = schema_of("sessions", release.therapy)
    row = {
        **context,
        "decision_id": f"planned-{number:06d}",
        "user_id": tables.users["user_id"][0],
        "decided_at": at,
        "content_id": content_id,
    }
    one = pl.DataFrame([{name: row.get(name) for name in schema}], schema=schema)
    return replace(tables, sessions=tables.sessions.vstack(one))
