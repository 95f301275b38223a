"""Times as they came into UTC."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from posology.importing.times import Clock, to_time

LAST = 2**63 - 1  # microseconds: one more wraps around to 292,000 years before us


@pytest.mark.parametrize(
    ("came", "clock"),
    [
        (pl.Series([0, LAST]).cast(pl.Datetime("us", "UTC")), Clock(plus=timedelta(days=1))),
        (pl.Series([0, 253_402_300_799]), Clock(epoch="seconds", plus=timedelta(days=365))),
    ],
)
def test_a_time_beyond_every_calendar_is_kept_aside(came: pl.Series, clock: Clock) -> None:
    converted = to_time(came, clock)
    assert converted.values.to_list() == [datetime(1970, 1, 1, tzinfo=UTC) + clock.plus, None]
    assert any(fault.to_list() == [False, True] for fault in converted.faults.values())
