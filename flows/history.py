"""What was live when and by whose hand, read from the audit log."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from posology.audit import Record
from serving.modes.plan import FULL, Plan

How = Literal["promote", "rollback"]
MOVING = "champion.moving"  # about to happen: written before the registry is touched
MOVED = "champion.moved"
STAYED = "champion.stayed"  # it was stopped before it happened


@dataclass(frozen=True)
class Reign:
    """One release's time as champion."""

    therapy: str
    release: str
    version: str
    since: datetime
    until: datetime | None  # None: live now
    how: How
    by: str
    reason: str
    approved_by: tuple[str, ...]
    plan: Plan = FULL

    def covers(self, at: datetime) -> bool:
        """Whether it was live at a moment."""
        return self.since <= at and (self.until is None or at < self.until)


def reigns(records: Iterable[Record], therapy: str) -> list[Reign]:
    """The champions of a therapy, oldest first."""
    moves = [record for record in records if record.kind == MOVED and record.facts["therapy"] == therapy]
    ends = [record.time for record in moves[1:]] + [None]
    return [
        Reign(
            therapy=therapy,
            release=move.facts["release"],
            version=move.facts["version"],
            since=move.time,
            until=end,
            how=move.facts["how"],
            by=move.facts["by"],
            reason=move.facts["reason"],
            approved_by=tuple(move.facts["approved_by"]),
            plan=Plan.model_validate(move.facts.get("plan", {})),
        )
        for move, end in zip(moves, ends, strict=False)
    ]


def champions_before(past: Iterable[Reign]) -> list[str]:
    """Versions that rollbacks go through, the nearest last, the champion itself left out."""
    stack: list[str] = []
    for reign in past:
        if reign.how == "rollback":
            stack = stack[:-1]
        if not stack or stack[-1] != reign.version:
            stack.append(reign.version)
    return stack[:-1]


def unfinished(records: Iterable[Record], therapy: str) -> Record | None:
    """The move that was begun and of which nobody wrote how it ended."""
    kinds = (MOVING, MOVED, STAYED)
    steps = [record for record in records if record.kind in kinds and record.facts["therapy"] == therapy]
    return steps[-1] if steps and steps[-1].kind == MOVING else None
