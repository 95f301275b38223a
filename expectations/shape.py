"""The rules of the files' columns, before any value is looked at."""

from collections.abc import Iterator, Mapping

import great_expectations.expectations as gxe
import polars as pl

from expectations.rule import Rule, native
from posology.tables import NAMES, OPTIONAL, fits, schema_of
from posology.therapy import Therapy

SHAPE = {"table": pl.String, "column": pl.String, "declared as": pl.String, "came as": pl.String, "fits": pl.Boolean}


def shape_rules() -> Iterator[Rule]:
    """V101, V102 and V103 over the frame that ``shape`` gives."""
    yield native(gxe.ExpectColumnValuesToNotBeNull, "V101", "came as", "the column is in the file")
    yield native(gxe.ExpectColumnValuesToNotBeNull, "V102", "declared as", "the column is declared")
    says = "the column can be read as declared without loss"
    yield native(gxe.ExpectColumnValuesToBeInSet, "V103", "fits", says, value_set=[True])


def shape(therapy: Therapy, raw: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """One row for each column that a file has or must have; optional ones it lacks are left out."""
    rows = [row for table in NAMES for row in _columns(table, therapy, raw[table])]
    return pl.DataFrame(rows, schema=SHAPE, orient="row")


def _columns(
    table: str, therapy: Therapy, raw: pl.DataFrame
) -> Iterator[tuple[str, str, str | None, str | None, bool | None]]:
    declared = schema_of(table, therapy)
    for name, kind in declared.items():
        if name in raw.columns:
            came = raw.schema[name]
            yield table, name, str(kind), str(came), fits(came, kind)
        elif name not in OPTIONAL:
            yield table, name, str(kind), None, None
    for name, came in raw.schema.items():
        if name not in declared:
            yield table, name, None, str(came), None
