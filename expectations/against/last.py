"""The data last accepted, and whose rows of the two snapshots are compared one by one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from posology.tables import scan_raw, schema_of
from posology.therapy import Therapy

MOST_USERS = 1_000  # of each group that are compared: shares are then known to one or two hundredths
STRANGERS = 0.1  # of the users may be alike by chance, as those of two simulated cohorts are
MOST = 0.5
WHO = ["user_id", "enrolled_at"]


@dataclass(frozen=True)
class Last:
    """The data last accepted, beside a new snapshot.

    A user is known who was there before under the same id with the same enrolment; all others joined since.

    Attributes:
        files: the four tables last accepted, with the columns and types that the therapy declares now.
        known: user ids in both, all or a sample.
        joined: user ids that are new, all or a sample.
        before: user ids last accepted that the joined are compared with, all or a sample.
        rows: of each table, last accepted.
        goes_on: some users are known; else these are other people's data, and nothing of them can be gone or changed.
        has_other_ids: no, and yet most enrolments are there, to the microsecond: the same people under other ids.
    """

    files: Mapping[str, pl.LazyFrame]
    known: pl.Series
    joined: pl.Series
    before: pl.Series
    rows: Mapping[str, int]
    goes_on: bool
    has_other_ids: bool

    @classmethod
    def of(cls, therapy: Therapy, folder: Path, users: pl.LazyFrame) -> Self:
        """The tables in a folder, beside the users of the new snapshot.

        Raises:
            TableError: a file is missing or cannot be read.
        """
        files = {name: _conformed(name, therapy, rows) for name, rows in scan_raw(folder, therapy).items()}
        then = files["users"].select(WHO).collect()
        now = users.select(pl.col("user_id").cast(pl.String), pl.col("enrolled_at").cast(then.schema["enrolled_at"]))
        there = now.collect().drop_nulls().unique("user_id", maintain_order=True)
        known = there.join(then, on=WHO, how="semi")["user_id"]
        return cls(
            files,
            known=_sample(known),
            joined=_sample(there.join(then, on=WHO, how="anti")["user_id"]),
            before=_sample(then["user_id"]),
            rows={name: rows.select(pl.len()).collect().item() for name, rows in files.items()},
            goes_on=len(known) > STRANGERS * then.height,
            has_other_ids=_has_other_ids(then, there, known),
        )

    def rows_of(self, table: str, user_ids: pl.Series) -> pl.DataFrame:
        """Their rows last accepted."""
        return self.files[table].filter(pl.col("user_id").is_in(user_ids.implode())).collect(engine="streaming")


def _has_other_ids(then: pl.DataFrame, there: pl.DataFrame, known: pl.Series) -> bool:
    times = then["enrolled_at"].drop_nulls()
    if len(known) > STRANGERS * then.height or times.n_unique() < MOST * then.height:
        return False
    return int(times.is_in(there["enrolled_at"].implode()).sum()) > MOST * then.height


def _sample(ids: pl.Series) -> pl.Series:
    """The same ids for the same set, in order."""
    ids = ids.sort()
    if len(ids) <= MOST_USERS:
        return ids
    return ids[np.sort(np.random.default_rng(0).choice(len(ids), MOST_USERS, replace=False))]


def _conformed(table: str, therapy: Therapy, rows: pl.LazyFrame) -> pl.LazyFrame:
    """Columns the therapy had then and has no longer are left out, those it has only now are empty."""
    came = rows.collect_schema()
    return rows.select(
        pl.col(name).cast(kind, strict=False) if name in came else pl.lit(None, dtype=kind).alias(name)
        for name, kind in schema_of(table, therapy).items()
    )
