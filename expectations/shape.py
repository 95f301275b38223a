"""The rules of a file's columns, before any value is looked at."""

from collections.abc import Iterator

import great_expectations.expectations as gxe
import polars as pl

from expectations.rule import Rule, native
from posology.tables import OPTIONAL, fits, schema_of
from posology.therapy import Therapy


def shape_rules(table: str, therapy: Therapy) -> Iterator[Rule]:
    """V101, V102 and V103 over the frame that ``shape`` gives."""
    schema = schema_of(table, therapy)
    yield native(
        gxe.ExpectTableColumnsToMatchSet,
        "V102",
        None,
        "every column is declared",
        column_set=list(schema),
        exact_match=True,
    )
    for name, kind in schema.items():
        if name not in OPTIONAL:
            yield native(gxe.ExpectColumnValuesToNotBeNull, "V101", name, "is a column of the file")
        says = f"can be read as {kind}"
        yield native(gxe.ExpectColumnValuesToBeInSet, "V103", name, says, value_set=[str(kind)])


def shape(table: str, therapy: Therapy, raw: pl.DataFrame) -> pl.DataFrame:
    """One row: for each column of the file the type it can be read as, null for a declared one it lacks."""
    schema = schema_of(table, therapy)
    lacking = {name: None for name in schema if name not in raw.columns}
    came = {name: _read_as(kind, schema.get(name)) for name, kind in raw.schema.items()}
    return pl.DataFrame({**lacking, **came}, schema=dict.fromkeys((*lacking, *came), pl.String), orient="row")


def _read_as(came: pl.DataType, kind: pl.DataType | None) -> str:
    return str(kind) if kind is not None and fits(came, kind) else str(came)
