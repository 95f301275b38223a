"""What has to be known of all rows before any block of them is judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

import numpy as np
import polars as pl

from posology.therapy import Columns, Therapy


@dataclass(frozen=True)
class Whole:
    """What has to be known of all rows.

    Attributes:
        taken_at: when the data were taken.
        shared_ids: decision ids that two users have.
        usual_lengths: of each column of embeddings, how long most are.
    """

    taken_at: datetime
    shared_ids: pl.Series = field(default_factory=lambda: pl.Series(dtype=pl.String))
    usual_lengths: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, therapy: Therapy, files: Mapping[str, pl.LazyFrame], taken_at: datetime) -> Self:
        """Two columns of the sessions and the lengths of embeddings are read, and no row is held."""
        feedback = therapy.feedback.columns if therapy.feedback else {}
        parts: tuple[tuple[str, Columns], ...] = (
            ("users", therapy.user),
            ("contents", therapy.content),
            ("sessions", {**therapy.context, **feedback}),
        )
        lengths = {
            name: _usual_length(files[table], name)
            for table, columns in parts
            for name, column in columns.items()
            if column.kind == "embedding"
        }
        known = {name: length for name, length in lengths.items() if length is not None}
        return cls(taken_at, _shared_ids(files["sessions"]), known)


def _shared_ids(sessions: pl.LazyFrame) -> pl.Series:
    """Decision ids of more than one user. Only ids whose hash stands twice are looked at."""
    rows = sessions.select(pl.col("decision_id", "user_id").cast(pl.String)).drop_nulls("decision_id")
    hashes = np.sort(_collect(rows.select(pl.col("decision_id").hash())).to_series().to_numpy())
    twice = pl.Series(hashes[1:][hashes[1:] == hashes[:-1]]).unique()
    if not len(twice):
        return pl.Series(dtype=pl.String)
    owners = _collect(rows.filter(pl.col("decision_id").hash().is_in(twice.implode())).unique())
    return owners.filter(pl.col("decision_id").is_duplicated())["decision_id"].unique().sort()


def _usual_length(rows: pl.LazyFrame, column: str) -> int | None:
    counts = _collect(rows.select(pl.col(column).list.len().alias("length")).drop_nulls().group_by("length").len())
    most = counts.sort("len", "length", descending=True)["length"]
    return int(most[0]) if len(most) else None


def _collect(rows: pl.LazyFrame) -> pl.DataFrame:
    return rows.collect(engine="streaming")
