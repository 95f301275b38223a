"""What was known before, held against what the new snapshot says of it."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from posology.tables import KEYS

MAY_CHANGE = {"consent", "consent_withdrawn_at", "active_until"}


@dataclass(frozen=True)
class Changed:
    """A column of rows that both snapshots have.

    Attributes:
        rows: with a value before.
        changed: whose value is another one now, or gone.
        users: who these rows are about (for contents: the rows).
    """

    table: str
    column: str
    rows: int
    changed: int
    users: int


def changes(table: str, then: pl.DataFrame, now: pl.DataFrame) -> Iterator[Changed]:
    """For each column what became of the values known before. What was empty may be filled in: feedback comes late."""
    key = list(KEYS[table])
    columns = [name for name in then.columns if name not in {*key, *MAY_CHANGE}]
    both = then.unique(key).join(now.unique(key).select(key + columns), on=key, suffix=":now")
    who = "user_id" if "user_id" in both.columns else key[0]
    for name in columns:
        is_other = pl.col(name).ne_missing(pl.col(f"{name}:now"))
        known = both.filter(pl.col(name).is_not_null())
        changed = known.filter(is_other)
        yield Changed(table, name, known.height, changed.height, changed[who].n_unique())
