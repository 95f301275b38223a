"""The rules of times: none lies in the future of the data, none before there was anything to record."""

from collections.abc import Iterator
from datetime import datetime

import polars as pl

from expectations.rule import Rule, holds
from expectations.thresholds import Thresholds


def possible(columns: tuple[str, ...], taken_at: datetime, limits: Thresholds) -> Iterator[Rule]:
    """V507 and V508 for each column of times."""
    latest = pl.lit(taken_at + limits.clock_skew)
    minutes = limits.clock_skew.total_seconds() / 60
    for column in columns:
        says = "is not later than when the data were taken"
        why = f"Clocks that are kept agree within {minutes:g} minutes."
        yield holds("V507", column, says, pl.col(column) <= latest, why=why)
        says = f"is not earlier than {limits.earliest:%Y}"
        why = "Nobody was treated by software before; a clock that lost its battery says 1970 or 1980."
        yield holds("V508", column, says, pl.col(column) >= pl.lit(limits.earliest), why=why)
