"""What has been found so far: rows, rows in quarantine, broken rules and the first rows that broke them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from expectations.findings import Count, Failure
from expectations.quarantine import Judged
from expectations.rule import Rule
from posology.blocks import ROW
from posology.errors import legible
from posology.tables import NAMES, ORDERS, schema_of
from posology.therapy import Therapy

MOST_EXAMPLES = 5
_IDS = {"users": "user_id", "measurements": "user_id", "contents": "content_id", "sessions": "decision_id"}


class Tally:
    """Counts and first examples over the blocks judged so far."""

    def __init__(self, therapy: Therapy) -> None:
        self._therapy = therapy
        self._counts = {name: Count(0, 0) for name in NAMES}
        self._failures: dict[tuple[str, str], Failure] = {}

    def add(self, table: str, found: Judged, raw: pl.DataFrame) -> None:
        """Count a block of a table.

        Args:
            found: the rows as the contract wants them, and what came of them.
            raw: the same rows as they are in the file, with ``ROW``, their place in it.
        """
        rows, before = found.rows, self._counts[table]
        gone = found.is_accepted.len() - int(found.is_accepted.sum())
        self._counts[table] = Count(before.rows + rows.height, before.quarantined + gone)
        broken = [verdict for verdict in found.verdicts if not verdict.success]
        numbers = self._numbers(table, raw) if broken else pl.Series()
        for verdict in broken:
            key = (table, verdict.rule.key)
            there = self._failures.get(key, failure(table, verdict.rule))
            places = verdict.rows[: MOST_EXAMPLES - len(there.examples)]
            names = tuple(_name(table, rows[place, _IDS[table]], numbers[place]) for place in places)
            count = there.rows + verdict.rows.len()
            self._failures[key] = replace(there, rows=count, examples=there.examples + names)

    def count(self, table: str) -> Count:
        """Rows of a table and how many of them are in quarantine."""
        return self._counts[table]

    @property
    def failures(self) -> list[Failure]:
        """Every rule that rows broke."""
        return list(self._failures.values())

    def _numbers(self, table: str, raw: pl.DataFrame) -> pl.Series:
        """For each row of the sorted block its number in the file, from 1: the same sort over the same keys."""
        schema, keys = schema_of(table, self._therapy), ORDERS[table]
        casts = [pl.col(key).cast(schema[key]) for key in keys]
        return raw.select(*casts, ROW).sort(keys, maintain_order=True)[ROW] + 1


def failure(
    table: str, rule: Rule, *, column: str | None = None, rows: int = 0, examples: tuple[str, ...] = ()
) -> Failure:
    """A broken rule as it is reported."""
    return Failure(rule.code, table, column or rule.column, rule.says, rule.level, rows, examples)


def found_in(facts: Mapping[str, Any], rule: Rule) -> Failure:
    """A rule broken by a row of facts about whole tables.

    Args:
        facts: with ``table``; of how many of its rows the rule speaks stands under ``rows V…``, else ``rows``. More
            about it may stand under ``column``, ``names`` (examples) and ``more V…`` or ``more`` (words).
    """
    rows = facts.get(f"rows {rule.code}", facts.get("rows"))
    names = tuple(map(legible, (facts.get("names") or ())[:MOST_EXAMPLES]))
    found = failure(facts["table"], rule, column=facts.get("column"), rows=rows or 0, examples=names)
    return replace(found, rule=found.rule + (facts.get(f"more {rule.code}", facts.get("more")) or ""))


def _name(table: str, identity: str | None, number: int) -> str:
    """A row by its id, or by its number in the file where an id does not say which row it is."""
    if not identity or not identity.isprintable():
        return f"row {number}"
    return f"{legible(identity)} (row {number})" if table == "measurements" else legible(identity)
