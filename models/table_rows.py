"""The four tables as one frame of rows, for callers that can hand over only one.

Each row names its table in the column ``table``; columns of the other tables
are missing. Times are UTC without a zone, as MLflow's ``datetime`` wants them; embeddings and series are JSON texts.
"""

import json
from typing import cast

import pandas as pd
import polars as pl
from polars.exceptions import PolarsError

from posology.errors import TableError
from posology.tables import NAMES, Tables, schema_of
from posology.therapy import UTC_TIME, Therapy

TABLE = "table"
NUMBERS = pl.List(pl.Float64())


def columns_of(therapy: Therapy) -> dict[str, pl.DataType]:
    """Column → type of the frame; ``eligible`` is left out: no prediction needs it."""
    merged = {name: kind for table in NAMES for name, kind in schema_of(table, therapy).items() if name != "eligible"}
    plain = {name: pl.String() if isinstance(kind, pl.List) else kind for name, kind in merged.items()}
    return {TABLE: pl.String(), **plain}


def rows_of(therapy: Therapy, tables: Tables) -> pd.DataFrame:
    """The tables as one pandas frame of rows."""
    columns = columns_of(therapy)
    parts = []
    for name in NAMES:
        part = _with_lists_as_text(getattr(tables, name)).with_columns(pl.lit(name).alias(TABLE))
        missing = [pl.lit(None, dtype=kind).alias(column) for column, kind in columns.items() if column not in part]
        parts.append(part.with_columns(missing).select(list(columns)))
    whole = pl.concat(parts).with_columns(pl.col(UTC_TIME).dt.replace_time_zone(None))
    return whole.to_pandas()


def tables_from(therapy: Therapy, rows: pd.DataFrame, contents: pl.DataFrame | None = None) -> Tables:
    """The tables in a frame of rows; ``contents`` stand in where the frame holds none.

    Raises:
        TableError: a row does not fit its table.
    """
    columns = {name: kind for name, kind in columns_of(therapy).items() if name in rows.columns}
    times = [name for name, kind in columns.items() if kind == UTC_TIME]
    frame = cast(pl.DataFrame, pl.from_pandas(rows[list(columns)]))
    frame = frame.with_columns(pl.col(times).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"))
    raw = {name: _rows(frame, name, schema_of(name, therapy)) for name in NAMES}
    if raw["contents"].is_empty() and contents is not None:
        raw["contents"] = contents
    return Tables.conform(therapy, raw)


def _rows(frame: pl.DataFrame, table: str, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    columns = {name: kind for name, kind in schema.items() if name in frame.columns}
    rows = frame.filter(pl.col(TABLE) == table).select(list(columns))
    empty = [name for name in columns if rows[name].null_count() == rows.height]
    lists = [name for name, kind in columns.items() if isinstance(kind, pl.List) and name not in empty]
    return rows.with_columns(
        *(pl.lit(None, columns[name]).alias(name) for name in empty),  # pandas: no type, no values
        *(_read_lists(rows[name], table) for name in lists),
    )


def _with_lists_as_text(frame: pl.DataFrame) -> pl.DataFrame:
    lists = [name for name, kind in frame.schema.items() if kind == NUMBERS]
    return frame.with_columns(
        pl.col(name).map_elements(lambda numbers: json.dumps(numbers.to_list()), return_dtype=pl.String)
        for name in lists
    )


def _read_lists(texts: pl.Series, table: str) -> pl.Series:
    try:
        lists = [None if text is None else json.loads(text) for text in texts]
        return pl.Series(texts.name, lists, dtype=NUMBERS, strict=True)
    except (ValueError, TypeError, PolarsError) as error:
        raise TableError(
            f"{table}: column {texts.name} holds what is no JSON list of numbers", table=table, column=texts.name
        ) from error
