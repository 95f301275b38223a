"""Each user's values of a column as shares of a few cells, so that columns of any kind can be compared."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from posology.therapy import Columns, Therapy

MOST_CELLS = 10
OTHER, MISSING = "(other)", "(missing)"


@dataclass(frozen=True)
class Composition:
    """One column, user by user.

    Attributes:
        is_of_patients: it tells of patients, not of what was chosen for them.
        users: (n_users,) places of the users among all that are compared.
        shares: (n_users, n_cells) of each user's values in each cell; rows sum to 1. A missing value has a cell.
    """

    table: str
    column: str
    is_of_patients: bool
    users: np.ndarray
    shares: np.ndarray


def compositions(therapy: Therapy, table: str, rows: pl.DataFrame) -> Iterator[Composition]:
    """For each column that can be compared.

    Args:
        rows: of the table, with ``user``: the user's place among all that are compared.
    """
    for name, values, is_of_patients in _comparable(therapy, table, rows):
        cells = _cells(values)
        shares = pl.DataFrame({"user": rows["user"], "cell": cells}).group_by("user", "cell").len()
        users, user = np.unique(shares["user"].to_numpy(), return_inverse=True)
        codes = shares["cell"].fill_null(MISSING).rank("dense").cast(pl.Int64).to_numpy() - 1
        counts = np.zeros((len(users), int(codes.max(initial=-1)) + 1))
        counts[user, codes] = shares["len"].to_numpy()
        if counts.shape[1] > 1:
            yield Composition(table, name, is_of_patients, users, counts / counts.sum(axis=1, keepdims=True))


def _comparable(therapy: Therapy, table: str, rows: pl.DataFrame) -> Iterator[tuple[str, pl.Series, bool]]:
    feedback: Columns = therapy.feedback.columns if therapy.feedback else {}
    declared = {"users": therapy.user, "measurements": {}, "sessions": {**therapy.context, **feedback}}[table]
    for name, column in declared.items():
        yield (
            name,
            _lengths(rows[name]) if column.kind in {"text", "embedding", "image", "series"} else rows[name],
            True,
        )
    if table == "users":
        yield "site", rows["site"], False
    if table == "measurements":
        yield "score", rows["score"], True
    if table == "sessions":
        yield "content_id", rows["content_id"], False
        yield "probability", rows["probability"], False
        yield "eligible", rows["eligible"].list.len().cast(pl.Float64), False
        yield "feedback_at", (rows["feedback_at"] - rows["decided_at"]).dt.total_seconds().cast(pl.Float64), True


def _lengths(values: pl.Series) -> pl.Series:
    lengths = values.str.len_chars() if values.dtype == pl.String else values.list.len()
    return lengths.cast(pl.Float64)


def _cells(values: pl.Series) -> pl.Series:
    """The cell of each value, as text; none for a missing one."""
    if values.dtype.is_numeric():
        return _bins(values.cast(pl.Float64).fill_nan(None))
    if values.dtype == pl.Boolean:
        return values.cast(pl.String)
    common = values.drop_nulls().value_counts(sort=True)[values.name].head(MOST_CELLS - 1)
    is_common = values.is_in(common.implode())
    return pl.select(
        pl.when(values.is_null()).then(None).when(is_common).then(values).otherwise(pl.lit(OTHER))
    ).to_series()


def _bins(values: pl.Series) -> pl.Series:
    """Bins of about as many values each, with edges taken from all values; the same value is never in two."""
    known = values.drop_nulls().to_numpy()
    edges = np.unique(np.quantile(known, np.arange(1, MOST_CELLS) / MOST_CELLS)) if len(known) else np.array([])
    bins = pl.Series(np.searchsorted(edges, values.to_numpy())).cast(pl.String)
    return pl.select(pl.when(values.is_not_null()).then(bins)).to_series()
