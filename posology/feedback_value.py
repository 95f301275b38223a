"""F as numbers, each row by itself: the same to the last bit alone and among a million."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl

from posology.expressions import parse_expression
from posology.therapy import Feedback

VALUES_KEPT = 50_000


def values_of(feedback: Feedback, rows: pl.DataFrame) -> np.ndarray:
    """(n,) F of each row; NaN where it cannot be reduced to a number.

    Polars divides a single number by another, but multiplies several by the
    reciprocal, which may differ in the last bit: so a single row is two here,
    and no column is one number that stands for all rows.
    """
    looked_at = [rows[name] for name in _looked_at(feedback.value, tuple(feedback.columns))]
    several = [each.new_from_index(0, 2) if rows.height == 1 else each.rechunk() for each in looked_at]
    value: np.ndarray = pl.DataFrame(several).select(value=feedback.expression)["value"].to_numpy()
    return value[: rows.height]


def value_of(feedback: Feedback, told: Mapping[str, Any]) -> float:
    """F of one row, as ``values_of``; told the same again, it is known already."""
    looked_at = _looked_at(feedback.value, tuple(feedback.columns))
    kinds = tuple((name, feedback.columns[name].dtype) for name in looked_at)
    return _value(feedback.value, kinds, *(_as_key(told.get(name)) for name in looked_at))


@lru_cache(maxsize=256)
def _looked_at(text: str, columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(parse_expression(text, columns).meta.root_names())))


@lru_cache(maxsize=VALUES_KEPT, typed=True)
def _value(text: str, kinds: tuple[tuple[str, pl.DataType], ...], *told: Any) -> float:
    schema = dict(kinds)
    rows = pl.DataFrame([dict(zip(schema, told, strict=True))] * 2, schema=schema)
    value = rows.select(value=parse_expression(text, schema).cast(pl.Float64))["value"][0]
    return np.nan if value is None else float(value)


def _as_key(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
