"""Rows as a database driver gives them, made into frames whose columns keep the kind of their first value."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl

from posology.importing.rows import REJECTED, Chunk

LARGEST = 2**63 - 1
PLAIN: dict[type, str] = {str: "text", float: "numbers", bool: "truth values"}  # whatever the value
KINDS: dict[str, Any] = {
    "truth values": pl.Boolean,
    "whole numbers": pl.Int64,
    "numbers": pl.Float64,
    "text": pl.String,
    "times with a zone": pl.Datetime("us", "UTC"),
    "times without a zone": pl.Datetime("us"),
    "days": pl.Date,
    "lists of text": pl.List(pl.String),
    "lists of numbers": pl.List(pl.Float64),
}


def chunk_of(rows: Sequence[Sequence[Any]], names: Sequence[str], kinds: dict[str, str], first: int) -> Chunk:
    """Rows as a chunk; a value of another kind than its column's first one sets its row aside.

    Args:
        kinds: name of each column → its kind, as far as known; filled here.
        first: the number of the first of these rows.
    """
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in names]
    wrong: dict[int, str] = {}
    for name, values in zip(names, columns, strict=True):
        for place, kind in _strays(name, values, kinds):
            wrong.setdefault(place, f"column {name} holds {kinds.get(name, 'nothing')}, here {kind}")
    series = [_series(name, values, wrong, kinds) for name, values in zip(names, columns, strict=True)]
    numbers = [first + place for place in range(len(rows)) if place not in wrong]
    rejected = [(first + place, reason, _as_json(names, rows[place])) for place, reason in sorted(wrong.items())]
    return Chunk(
        pl.DataFrame(series), pl.Series(numbers, dtype=pl.Int64), pl.DataFrame(rejected, REJECTED, orient="row")
    )


def _strays(name: str, values: Sequence[Any], kinds: dict[str, str]) -> list[tuple[int, str]]:
    """Places and kinds of values that do not fit the column."""
    if _is_plain(values, kinds.get(name)):
        return []
    found = [(place, _kind(value)) for place, value in enumerate(values) if value is not None]
    if name not in kinds and found:
        kinds[name] = found[0][1]
    if kinds.get(name) == "whole numbers" and any(kind == "numbers" for _, kind in found):
        kinds[name] = "numbers"
    return [(place, kind) for place, kind in found if not _fits(kind, kinds[name])]


def _is_plain(values: Sequence[Any], kind: str | None) -> bool:
    """Whether a look at the types shows that all fit."""
    return all(kind is not None and PLAIN.get(each) == kind for each in set(map(type, values)) - {type(None)})


def _fits(kind: str, wanted: str) -> bool:
    return kind in KINDS and (kind == wanted or (kind == "whole numbers" and wanted == "numbers"))


def _kind(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and not -LARGEST - 1 <= value <= LARGEST:
        return "a whole number of more than 64 bits"
    if isinstance(value, datetime):
        return "times without a zone" if value.tzinfo is None else "times with a zone"
    if isinstance(value, list):
        is_text = all(isinstance(item, str) for item in value)
        return "lists of text" if is_text else "lists of numbers"
    for kinds, name in (
        (bool, "truth values"),
        (int, "whole numbers"),
        (float | Decimal, "numbers"),
        (str | UUID | Mapping, "text"),
        (date, "days"),
    ):
        if isinstance(value, kinds):
            return name
    return f"a {type(value).__name__}"


def _series(name: str, values: Sequence[Any], wrong: Mapping[int, str], kinds: Mapping[str, str]) -> pl.Series:
    dtype = KINDS.get(kinds.get(name, ""), pl.Null)
    if not wrong and _is_plain(values, kinds.get(name)):
        return pl.Series(name, values, dtype=dtype)
    kept = [_plain(value) for place, value in enumerate(values) if place not in wrong]
    return pl.Series(name, kept, dtype=dtype, strict=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, UUID):
        return str(value)
    return json.dumps(value, default=str) if isinstance(value, Mapping) else value


def _as_json(names: Sequence[str], row: Sequence[Any]) -> str:
    """A row as text, losing nothing: bytes in hex."""
    text = {
        name: value.hex() if isinstance(value, bytes) else value if value is None else str(value)
        for name, value in zip(names, row, strict=True)
    }
    return json.dumps(text, ensure_ascii=False)
