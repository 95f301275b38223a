"""The values of one column of a table, from where the mapping says they come."""

import difflib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import polars as pl

from posology.checked_file import Misplaced
from posology.importing.checked_expression import CheckedExpression
from posology.importing.conversion import Converted, refused, to_boolean, to_list, to_number, to_text, translated
from posology.importing.mapping import Origin, Word
from posology.importing.rows import as_json
from posology.importing.times import to_time
from posology.importing.units import factor

Answer = TypeVar("Answer")
ID_LENGTH = 32  # hexadecimal digits: 128 bits of SHA-256


@dataclass(frozen=True)
class Target:
    """What a column of a table holds."""

    dtype: pl.DataType
    unit: str | None = None  # as the therapy declares it


def in_words(dtype: pl.DataType) -> str:
    """What a column of this type holds."""
    if isinstance(dtype, pl.List):
        return f"list of {in_words(dtype.inner)}"  # type: ignore[arg-type]
    if isinstance(dtype, pl.Datetime):
        return "UTC time"
    return {pl.Float64(): "number", pl.Boolean(): "truth value"}.get(dtype, "text")


def check_origin(origin: Origin, target: Target) -> None:
    """Raise ValueError when the changes an origin asks for make no sense for its column."""
    if origin.unit is not None:
        if target.unit is None:
            raise Misplaced("the therapy declares no unit of this column; use an expression", "unit")
        _placed(lambda: factor(origin.unit or "", target.unit or ""), "unit")
    for name in ("time_zone", "format", "epoch", "plus"):
        if getattr(origin, name) is not None and not isinstance(target.dtype, pl.Datetime):
            raise Misplaced(f"belongs to a column of times; this one holds {in_words(target.dtype)}", name)
    if origin.separator is not None and not isinstance(target.dtype, pl.List):
        raise Misplaced(f"belongs to a column of lists; this one holds {in_words(target.dtype)}", "separator")
    if origin.row_id is not None and target.dtype != pl.String:
        raise Misplaced(f"belongs to a column of text; this one holds {in_words(target.dtype)}", "row_id")
    _check_words(origin, target)


def values_of(origin: Origin, target: Target, frame: pl.DataFrame, *, decimal: str) -> Converted:
    """The column's values for these rows.

    Args:
        frame: the source's rows with ``source_row``.
        decimal: the mark in numbers that come as text.

    Raises:
        ValueError: the source lacks a column, or has one of a type that does not fit.
    """
    if origin.row_id is not None:
        return Converted(_row_ids(frame, origin.row_id))
    if "constant" in origin.model_fields_set:
        return Converted(_constant(origin, target).new_from_index(0, frame.height))
    came = _placed(lambda: _came(origin, frame), "column" if origin.column is not None else "expression")
    if origin.map is not None:
        words = {key: None if value is None else _as_text(value) for key, value in origin.map.items()}
        came = came.then(lambda values: translated(values, words))
        decimal = "."
    return came.then(lambda values: _fit(values, origin, target, decimal))


def _came(origin: Origin, frame: pl.DataFrame) -> Converted:
    if origin.expression is not None:
        return CheckedExpression.read(origin.expression, frame.columns).of(frame)
    return Converted(_column(frame, origin.column or ""))


def _fit(values: pl.Series, origin: Origin, target: Target, decimal: str) -> Converted:
    kind = target.dtype
    if isinstance(kind, pl.Datetime):
        return to_time(values, origin.clock)
    if isinstance(kind, pl.List):
        return to_list(values, kind.inner, separator=origin.separator)  # type: ignore[arg-type]
    if kind == pl.Boolean:
        return to_boolean(values)
    if kind == pl.String:
        return to_text(values)
    number = to_number(values, decimal=decimal)
    return number if origin.unit is None else number.then(lambda came: _in_unit(came, origin.unit, target.unit))


def _in_unit(values: pl.Series, came: str | None, wanted: str | None) -> Converted:
    share = factor(came or "", wanted or "")
    converted = values * share.numerator / share.denominator
    return refused(converted, f"is too large in {wanted}", ~converted.is_finite())


def _column(frame: pl.DataFrame, name: str) -> pl.Series:
    if name in frame.columns:
        return frame[name]
    near = difflib.get_close_matches(name, frame.columns, n=3)
    hint = f"; is it {' or '.join(near)}?" if near else ""
    raise ValueError(f"there is no column {name} among the {frame.width - 1} of the source{hint}")


def _row_ids(frame: pl.DataFrame, columns: tuple[str, ...]) -> pl.Series:
    """A digest of these columns' values: the same row gives the same id in every import."""
    key = _placed(lambda: as_json(pl.DataFrame([_column(frame, name) for name in columns])), "row_id")
    ids = [hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH] for text in key]
    return pl.Series(ids, dtype=pl.String)


def _constant(origin: Origin, target: Target) -> pl.Series:
    """One value; (1,)."""
    given = origin.constant
    if given is None:
        return pl.Series([None], dtype=target.dtype)
    if isinstance(given, tuple):
        value = pl.Series([[_as_text(item) for item in given]], dtype=pl.List(pl.String))
        value = value if target.dtype != pl.List(pl.Float64) else value.cast(target.dtype)
    else:
        value = pl.Series([_as_text(given) if isinstance(given, Word) else given])
    converted = _fit(value, origin, target, ".")
    for reason, mask in converted.faults.items():
        if mask.any():
            raise ValueError(reason)
    return converted.values


def _check_words(origin: Origin, target: Target) -> None:
    """Constants, and what the words of ``map`` mean, must fit the column."""
    if "constant" in origin.model_fields_set:
        _placed(lambda: _constant(origin, target), "constant")
    for key, meaning in (origin.map or {}).items():
        alone = origin.model_copy(update={"constant": meaning})
        _placed(partial(_constant, alone, target), "map", key)


def _as_text(word: Word) -> str:
    return str(word).lower() if isinstance(word, bool) else str(word)


def _placed(work: Callable[[], Answer], *place: str) -> Answer:
    """What the work gives; what it complains about is placed."""
    try:
        return work()
    except Misplaced:
        raise
    except ValueError as error:
        raise Misplaced(str(error), *place) from error
