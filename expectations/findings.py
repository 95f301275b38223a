"""What a validation found."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expectations.codes import Level
from posology.tables import NAMES


@dataclass(frozen=True)
class Failure:
    """One rule that was broken.

    Attributes:
        code: its entry in ``expectations.codes.CODES``.
        table: where.
        column: the column it is about; None for the table as a whole.
        rule: what it asks, in words.
        level: what follows: "row", the rows are in quarantine; "table", the flow stops; "note", nothing.
        rows: how many rows broke it; 0 when it is about the file rather than rows.
        examples: the first few ids of those rows, or "row N", counted from 1 in
            the file, where there is no id. Never a value.
    """

    code: str
    table: str
    column: str | None
    rule: str
    level: Level
    rows: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Count:
    """How many rows of a table came and how many of them are in quarantine."""

    rows: int
    quarantined: int

    @property
    def accepted(self) -> int:
        """Rows that broke no row rule."""
        return self.rows - self.quarantined


@dataclass(frozen=True)
class Validation:
    """What came of holding a snapshot to the rules.

    Attributes:
        valid: False when a table rule broke; the flow stops.
        accepted: folder of the four tables without quarantined rows and all that
            depends on them; None when a table rule broke or nobody asked for it.
        quarantined: folder with, for each table, the rows that broke a row rule, with
            ``reasons`` (codes) and ``because`` (the same in words); None when nobody asked.
        failed: every broken rule, by table and code.
        counts: rows per table; empty when the columns of a file were so wrong
            that no row was looked at.
        docs: the first page of the Data Docs; None when none were asked for.
    """

    valid: bool
    accepted: Path | None
    quarantined: Path | None
    failed: tuple[Failure, ...]
    counts: Mapping[str, Count]
    docs: Path | None

    def as_json(self) -> dict[str, Any]:
        """What ``posology validate --json`` prints."""
        return {
            "valid": self.valid,
            "quarantined": {name: self.counts[name].quarantined if self.counts else 0 for name in NAMES},
            "rows": {name: count.rows for name, count in self.counts.items()},
            "failed": [{**dataclasses.asdict(failure), "examples": list(failure.examples)} for failure in self.failed],
            "docs": None if self.docs is None else str(self.docs),
        }
