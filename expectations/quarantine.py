"""From verdicts to rows: who stays, who goes to quarantine and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import polars as pl

from expectations.judge import Verdict

REASONS = {"reasons": pl.List(pl.String()), "because": pl.List(pl.String())}


@dataclass(frozen=True)
class Judged:
    """Rows of one table, the verdicts on them, and for each row whether it broke no row rule."""

    rows: pl.DataFrame
    verdicts: tuple[Verdict, ...]
    is_accepted: pl.Series

    @classmethod
    def by(cls, rows: pl.DataFrame, verdicts: tuple[Verdict, ...]) -> Self:
        """The rows as the verdicts leave them."""
        broken = pl.concat([pl.Series(dtype=pl.UInt32), *(each.rows for each in _row_level(verdicts))])
        places = pl.int_range(rows.height, dtype=pl.UInt32, eager=True)
        return cls(rows, verdicts, ~places.is_in(broken.unique().implode()).alias("accepted"))

    @property
    def accepted(self) -> pl.DataFrame:
        """The rows that broke no row rule."""
        return self.rows.filter(self.is_accepted)

    @property
    def quarantined(self) -> pl.DataFrame:
        """The others, with ``reasons`` (codes) and ``because`` (the same in words)."""
        broken = [
            pl.DataFrame({"place": each.rows}).with_columns(
                reasons=pl.lit(each.rule.code), because=pl.lit(each.rule.subject)
            )
            for each in _row_level(self.verdicts)
            if each.rows.len()
        ]
        if not broken:
            none = [pl.lit(None, dtype=kind).alias(name) for name, kind in REASONS.items()]
            return self.rows.clear().with_columns(none)
        why = (pl.col("reasons").unique().sort(), pl.col("because"))
        reasons = pl.concat(broken).group_by("place").agg(why).sort("place")
        return self.rows[reasons["place"]].with_columns(reasons["reasons"], reasons["because"])


def _row_level(verdicts: Sequence[Verdict]) -> list[Verdict]:
    return [each for each in verdicts if each.rule.level == "row"]
