"""From verdicts to rows: who stays, who goes to quarantine and why, and how to name them."""

from collections.abc import Sequence

import polars as pl

from expectations.judge import Verdict

REASONS = {"reasons": pl.List(pl.String()), "because": pl.List(pl.String())}


def is_accepted(rows: pl.DataFrame, verdicts: Sequence[Verdict]) -> pl.Series:
    """For each row whether it broke no row rule."""
    broken = pl.concat([pl.Series(dtype=pl.UInt32), *(each.rows for each in _row_level(verdicts))])
    places = pl.int_range(rows.height, dtype=pl.UInt32, eager=True)
    return ~places.is_in(broken.implode()).alias("accepted")


def quarantined(rows: pl.DataFrame, verdicts: Sequence[Verdict]) -> pl.DataFrame:
    """The rows that broke a row rule, with ``reasons`` (codes) and ``because`` (the same in words)."""
    broken = [
        pl.DataFrame({"place": each.rows}).with_columns(
            reasons=pl.lit(each.rule.code), because=pl.lit(each.rule.subject)
        )
        for each in _row_level(verdicts)
        if each.rows.len()
    ]
    if not broken:
        return rows.clear().with_columns(pl.lit(None, dtype=kind).alias(name) for name, kind in REASONS.items())
    reasons = (
        pl.concat(broken).group_by("place").agg(pl.col("reasons").unique().sort(), pl.col("because")).sort("place")
    )
    return rows[reasons["place"]].with_columns(reasons["reasons"], reasons["because"])


def named(table: str, rows: pl.DataFrame, places: pl.Series, row_in_file: pl.Series) -> tuple[str, ...]:
    """Each row by its id, or by its number in the file (from 1) where an id does not say which row it is."""
    return tuple(_name(table, rows, place, row_in_file[place]) for place in places)


def _name(table: str, rows: pl.DataFrame, place: int, row_in_file: int) -> str:
    key = {"users": "user_id", "measurements": "user_id", "contents": "content_id", "sessions": "decision_id"}[table]
    identity, number = rows[place, key], f"row {row_in_file + 1}"
    if not identity:
        return number
    return f"{identity} ({number})" if table == "measurements" else str(identity)


def _row_level(verdicts: Sequence[Verdict]) -> list[Verdict]:
    return [each for each in verdicts if each.rule.level == "row"]
