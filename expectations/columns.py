"""The rules of the columns a therapy declares."""

from collections.abc import Iterator, Mapping

import great_expectations.expectations as gxe
import polars as pl

from expectations.rule import Rule, finite, holds, native
from posology.therapy import Column


def declared(columns: Mapping[str, Column], usual_lengths: Mapping[str, int] | None = None) -> Iterator[Rule]:
    """What each column's kind, range and values ask of the values that are there.

    Args:
        usual_lengths: of the columns of embeddings, how long most are.
    """
    for name, column in columns.items():
        if column.kind == "number":
            yield finite(name)
            yield from _in_range(name, column)
        elif column.kind == "category":
            values = column.values or ()
            says = f"is one of {', '.join(values)}"
            yield native(gxe.ExpectColumnValuesToBeInSet, "V205", name, says, value_set=list(values))
        elif column.kind == "embedding":
            yield from _embedding(name, (usual_lengths or {}).get(name))
        elif column.kind == "series":
            is_number = pl.element().is_finite().fill_null(value=True)
            yield holds(
                "V203", name, "holds finite numbers and gaps only", pl.col(name).list.eval(is_number).list.all()
            )


def _in_range(name: str, column: Column) -> Iterator[Rule]:
    low, high = column.minimum, column.maximum
    bounds = [f"{word} {bound:g}" for word, bound in (("at least", low), ("at most", high)) if bound is not None]
    if bounds:
        says = f"is {' and '.join(bounds)}{' ' + column.unit if column.unit else ''}"
        yield native(gxe.ExpectColumnValuesToBeBetween, "V204", name, says, min_value=low, max_value=high)


def _embedding(name: str, usual: int | None) -> Iterator[Rule]:
    numbers, length = pl.col(name).list, pl.col(name).list.len()
    is_number = pl.element().is_finite().fill_null(value=False)
    yield holds("V203", name, "holds finite numbers only", numbers.eval(is_number).list.all())
    yield holds("V206", name, "is as long as most others", length == pl.lit(usual, dtype=pl.UInt32))
