"""Declared columns as numbers: one a number or boolean, one for each value of a category; what is missing is NaN."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from posology.therapy import Columns


def names_of(columns: Columns) -> list[str]:
    """Names of the numbers, in order."""
    names: list[str] = []
    for name, column in columns.items():
        if column.kind == "category":
            names += [f"{name}={value}" for value in column.values or ()]
        elif column.kind in {"number", "boolean"}:
            names.append(name)
    return names


def encode(frame: pl.DataFrame, columns: Columns) -> np.ndarray:
    """(n, n_names) declared columns as numbers; what is missing is NaN, words and pictures are left out."""
    encoded = encoded_columns(frame, columns)
    return np.column_stack(encoded) if encoded else np.zeros((frame.height, 0))


def encoded_columns(frame: pl.DataFrame, columns: Columns) -> list[np.ndarray]:
    """``encode`` column by column."""
    encoded: list[np.ndarray] = []
    for name, column in columns.items():
        if column.kind == "category":
            encoded += [frame[name].eq(value).cast(pl.Float64).to_numpy() for value in column.values or ()]
        elif column.kind in {"number", "boolean"}:
            encoded.append(frame[name].cast(pl.Float64).to_numpy())
    return encoded


def encode_values(values: Mapping[str, Any], columns: Columns) -> list[float]:
    """``encode`` of one row."""
    encoded: list[float] = []
    for name, column in columns.items():
        value = values.get(name)
        if column.kind == "category":
            encoded += [np.nan if value is None else float(value == each) for each in column.values or ()]
        elif column.kind in {"number", "boolean"}:
            encoded.append(np.nan if value is None else float(value))
    return encoded
