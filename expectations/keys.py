"""The rules of keys: a row stands once, and one key has one content."""

import polars as pl

from expectations.rule import Rule, holds
from posology.tables import KEYS, schema_of
from posology.therapy import Therapy


def once(table: str, therapy: Therapy) -> list[Rule]:
    """V301: the same row again (the first one stays). V302: the same key with another content (none stays)."""
    row = pl.struct(*schema_of(table, therapy))
    has_key = pl.all_horizontal(pl.col(KEYS[table]).is_not_null())
    key = ", ".join(KEYS[table])
    return [
        holds("V301", key, "the row stands there once", pl.when(has_key).then(row.is_first_distinct())),
        holds("V302", key, "has one content", pl.when(has_key).then(row.n_unique().over(KEYS[table]) == 1)),
    ]
