"""Values as they came into the types of the four tables; what cannot be converted is marked with its reason."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

Mask = pl.Series  # (n_rows,) of booleans
TRUE, FALSE = ("true", "t", "yes", "y", "1", "1.0"), ("false", "f", "no", "n", "0", "0.0")


@dataclass(frozen=True)
class Converted:
    """Values, null where they could not be converted, and which rows those are by reason."""

    values: pl.Series  # (n_rows,)
    faults: dict[str, Mask] = field(default_factory=dict)  # reason → rows at fault

    def then(self, convert: Callable[[pl.Series], "Converted"]) -> "Converted":
        """These values converted further, with the faults of both."""
        after = convert(self.values)
        both = {reason: self.faults[reason] | mask for reason, mask in after.faults.items() if reason in self.faults}
        return Converted(after.values, {**self.faults, **after.faults, **both})


def refused(values: pl.Series, reason: str, mask: Mask) -> Converted:
    """The values without those the mask names."""
    mask = mask.fill_null(value=False)
    return Converted(values.set(mask, None) if mask.any() else values, {reason: mask})


def to_number(came: pl.Series, *, decimal: str = ".") -> Converted:
    """Numbers from numbers, truth values, or text with this decimal mark.

    Raises:
        ValueError: the column is of a type that holds no numbers.
    """
    if came.dtype == pl.String:
        text = came.str.strip_chars()
        if decimal == ",":
            text = text.set(text.str.contains(".", literal=True).fill_null(value=False), "two marks")
            text = text.str.replace(",", ".", literal=True)
        number = text.cast(pl.Float64, strict=False)
        return refused(number, "is not a number", number.is_null() & came.is_not_null()).then(_finite)
    if came.dtype.is_numeric() or came.dtype in (pl.Boolean, pl.Null):
        return _finite(came.cast(pl.Float64))
    raise ValueError(f"is {came.dtype}, expected numbers")


def to_boolean(came: pl.Series) -> Converted:
    """Truth values from themselves, from 0 and 1, or from true, false, t, f, yes, no, y, n in any case.

    Raises:
        ValueError: the column is of a type that holds none.
    """
    reason = "is not true, false, yes, no, 1 or 0 (say what it means: map)"
    if came.dtype in (pl.Boolean, pl.Null):
        return Converted(came.cast(pl.Boolean))
    if came.dtype == pl.String:
        word = came.str.strip_chars().str.to_lowercase()
        is_true, is_false = word.is_in(TRUE), word.is_in(FALSE)
    elif came.dtype.is_numeric():
        is_true, is_false = came == 1, came == 0
    else:
        raise ValueError(f"is {came.dtype}, expected true and false")
    return refused(is_true, reason, ~(is_true | is_false))


def to_text(came: pl.Series) -> Converted:
    """Text from text, categories, whole numbers or truth values, as it is.

    Raises:
        ValueError: the column is of a type that text can be made of in several ways.
    """
    if came.dtype in (pl.String, pl.Null, pl.Categorical, pl.Enum, pl.Boolean) or came.dtype.is_integer():
        return Converted(came.cast(pl.String))
    raise ValueError(f"is {came.dtype}, expected text; say how to write it: {{expression: 'CAST(… AS VARCHAR)'}}")


def to_list(came: pl.Series, inner: pl.DataType, *, separator: str | None = None) -> Converted:
    """Lists of text or of numbers from lists, from text with a separator, or from text that is a JSON list.

    Raises:
        ValueError: the column is of a type that holds no such lists.
    """
    kind = pl.List(inner)
    if came.dtype == pl.String:
        lists = _split(came, separator) if separator else _read_json(came)
        return lists.then(lambda values: _listed(values, kind))
    if came.dtype == pl.Null or (isinstance(came.dtype, pl.List | pl.Array) and _holds(came.dtype.inner, inner)):
        return _listed(came, kind)
    raise ValueError(f"is {came.dtype}, expected {kind}, or text with a separator or in JSON")


def translated(came: pl.Series, meaning: dict[str, str | None]) -> Converted:
    """What each word means, as text; a word without a meaning cannot be mapped.

    Raises:
        ValueError: the column is of a type that cannot be compared with words.
    """
    words = to_text(came).values
    return refused(
        words.replace_strict(list(meaning), list(meaning.values()), default=None, return_dtype=pl.String),
        "is not among the values of map",
        ~words.is_in(list(meaning)),
    )


def _finite(number: pl.Series) -> Converted:
    return refused(number, "is NaN or infinite", ~number.is_finite())


def _holds(came: Any, inner: pl.DataType) -> bool:
    return came in (inner, pl.Null) or (inner == pl.Float64 and came.is_numeric())


def _split(came: pl.Series, separator: str) -> Converted:
    parts = came.str.split(separator).list.eval(pl.element().str.strip_chars())
    return Converted(parts.list.eval(pl.element().filter(pl.element() != "")))


def _read_json(came: pl.Series) -> Converted:
    """Each different text is read once: sets of eligible contents repeat."""
    known = {text: _json_list(text) for text in came.unique().drop_nulls()}
    lists = pl.Series(came.name, [known.get(text) for text in came], dtype=pl.List(pl.String))
    return refused(lists, "is not a JSON list (name a separator)", lists.is_null() & came.is_not_null())


def _json_list(text: str) -> list[str | None] | None:
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(items, list) or not all(isinstance(item, str | int | float) for item in items):
        return None
    return [item if isinstance(item, str) else json.dumps(item) for item in items]


def _listed(lists: pl.Series, kind: pl.List) -> Converted:
    converted = lists.cast(kind, strict=False)
    if kind.inner == pl.String:
        return Converted(converted)
    bad = converted.list.eval(~pl.element().is_finite().fill_null(value=False)).list.any()
    return refused(converted, "is not a list of finite numbers", bad)
