"""The rules of keys: a row stands once, and one key has one content.

``with_repeats`` lays beside each row what the rules need to know; only rows
whose key stands twice are compared in full.
"""

import polars as pl

from expectations.rule import Rule, holds
from posology.tables import KEYS


def with_repeats(table: str, rows: pl.DataFrame, shared: pl.Series | None = None) -> pl.DataFrame:
    """The rows, each with whether it is the first of its like and whether all with its key are alike.

    Args:
        shared: keys that other blocks have too, with another content.
    """
    key = pl.struct(*KEYS[table])
    has_key = pl.all_horizontal(pl.col(KEYS[table]).is_not_null())
    places = rows.select(pl.arg_where(has_key & key.is_duplicated()).cast(pl.UInt32)).to_series()
    alike = rows[places].with_columns(place=places)
    firsts = alike.filter(pl.struct(pl.exclude("place")).is_first_distinct())
    several = firsts.filter(key.is_duplicated()).select(KEYS[table]).unique()
    differing = alike.join(several, on=list(KEYS[table]), how="semi")["place"]
    place = pl.int_range(pl.len(), dtype=pl.UInt32)
    is_repeat = place.is_in(places.implode()) & ~place.is_in(firsts["place"].implode())
    differs = place.is_in(differing.implode())
    if shared is not None and len(shared):
        differs |= pl.col(KEYS[table][0]).is_in(shared.implode()).fill_null(value=False)
    return rows.with_columns((~is_repeat).alias("row:first"), (~differs).alias("row:alike"))


def once(table: str) -> list[Rule]:
    """V301: the same row again (the first one stays). V302: the same key with another content (none stays)."""
    key = ", ".join(KEYS[table])
    return [
        holds("V301", key, "the row stands there once", pl.col("row:first")),
        holds("V302", key, "has one content", pl.col("row:alike")),
    ]
