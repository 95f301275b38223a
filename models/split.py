"""Which patients fit, calibrate and judge, and where the past ends.

By patient: a patient's part follows from a digest of the id, so it never
changes as the data grow and no later model is judged on a patient an earlier
one was fitted on. Forward in time: fitting and calibrating use what was known
before the cut, judging what became known after it.
"""

import hashlib
from datetime import datetime
from typing import Literal

import polars as pl

Part = Literal["fit", "calibrate", "judge"]
SHARES: tuple[tuple[Part, float], ...] = (("fit", 0.5), ("calibrate", 0.2), ("judge", 0.3))


def part_of(user_id: str) -> Part:
    """The part a patient belongs to."""
    place, reached = drawn(user_id), 0.0
    for part, share in SHARES:
        reached += share
        if place < reached:
            return part
    return SHARES[-1][0]


def drawn(name: str) -> float:
    """A number from 0 to 1 that is drawn by a digest, the same for the same name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def split(rows: pl.DataFrame, *, past_share: float) -> pl.DataFrame:
    """The rows with a column ``part``; rows that would leak across the cut are left out.

    Args:
        rows: ``user_id`` and ``known_at``.
        past_share: share of the rows, in order of ``known_at``, that is the past.
            Where all became known at one time there is no past, and only the
            split by patient is made.
    """
    return split_at(rows, time_cut(rows, past_share=past_share))


def split_at(rows: pl.DataFrame, cut: datetime | None) -> pl.DataFrame:
    """The same with the last moment of the past given; without one only the split by patient is made."""
    parts = {user_id: part_of(user_id) for user_id in rows["user_id"].unique()}
    parted = rows.with_columns(part=pl.col("user_id").replace_strict(parts, return_dtype=pl.String))
    if cut is None:
        return parted
    is_past = pl.col("known_at") <= cut
    return parted.filter(is_past.eq_missing(pl.col("part") != "judge"))


def time_cut(rows: pl.DataFrame, *, past_share: float) -> datetime | None:
    """The last moment of the past; None where time does not tell rows apart."""
    times = rows["known_at"].sort()
    if times.n_unique() < 2:
        return None
    return times[min(int(past_share * times.len()), times.len() - 1)]
