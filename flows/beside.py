"""What ran beside a champion, in the shadow or as a canary, read from the audit log."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from flows.history import MOVED
from posology.audit import Record
from serving.modes.plan import Plan

STARTED = "beside.started"
WIDENED = "beside.widened"  # a canary took its next step
STOPPED = "beside.stopped"


@dataclass(frozen=True)
class Ran:
    """One release's time beside a champion.

    Attributes:
        champion: version of the release it runs beside.
        step: of a canary's steps, from 0.
        step_since: when it was taken.
        ended: why it is over; empty while it runs.
    """

    therapy: str
    release: str
    version: str
    champion: str
    plan: Plan
    since: datetime
    by: str
    approved_by: tuple[str, ...]
    step: int
    step_since: datetime
    until: datetime | None = None
    ended: str = ""

    @property
    def share(self) -> float:
        """Of the patients who get it, those in the comparison arm not counted."""
        return self.plan.steps[self.step].share if self.plan.steps else 0.0

    def covers(self, at: datetime) -> bool:
        """Whether it ran at a moment."""
        return self.since <= at and (self.until is None or at < self.until)


def ran_beside(records: Iterable[Record], therapy: str) -> list[Ran]:
    """All that ran beside a therapy's champions, oldest first; only the last may still run."""
    ran: list[Ran] = []
    for record in records:
        if record.facts.get("therapy") == therapy:
            ran = [*ran[:-1], *_after(record, ran[-1] if ran else None)]
    return ran


def _after(record: Record, last: Ran | None) -> Iterator[Ran]:
    """The last that ran, as the record leaves it, and the one that the record begins."""
    if last and last.until is None:
        why = _end(record, last)
        last = replace(last, until=record.time, ended=why) if why else last
        if record.kind == WIDENED:
            last = replace(last, step=record.facts["step"], step_since=record.time)
    yield from [last] if last else []
    if record.kind == STARTED:
        yield Ran(
            therapy=record.facts["therapy"],
            release=record.facts["release"],
            version=record.facts["version"],
            champion=record.facts["champion"],
            plan=Plan.model_validate(record.facts["plan"]),
            since=record.time,
            by=record.facts["by"],
            approved_by=tuple(record.facts["approved_by"]),
            step=0,
            step_since=record.time,
        )


def _end(record: Record, running: Ran) -> str:
    if record.kind == STOPPED:
        return f"{record.facts['reason']} ({record.facts['by']})"
    if record.kind == STARTED:
        return f"{record.facts['release']} in its place"
    if record.kind == MOVED and record.facts["version"] != running.champion:
        return f"{record.facts['release']} became champion"
    return ""
