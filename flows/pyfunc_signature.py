"""Signature and input example of a predictor in MLflow: table rows of an invented patient."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl

from models.table_rows import TABLE, columns_of, rows_of
from posology.tables import Tables
from posology.therapy import Columns, Therapy

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

MOMENT = datetime(2030, 1, 1, tzinfo=UTC)
SESSIONS = 3


def signature_of(therapy: Therapy) -> "ModelSignature":
    """Columns of the table rows, and of the predictions.

    MLflow asks for ``table`` alone, as every other column may be without a value; which must be there the model knows.
    """
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ColSpec, Schema

    kinds = {pl.String(): "string", pl.Float64(): "double", pl.Boolean(): "boolean"}
    columns = columns_of(therapy).items()
    inputs = [ColSpec(kinds.get(kind, "datetime"), name, required=name == TABLE) for name, kind in columns]
    outputs = [ColSpec("string", "decision_id"), *(ColSpec("double", name) for name in ("mean", "low", "high"))]
    return ModelSignature(Schema([*inputs]), Schema([*outputs]))


def example_rows(therapy: Therapy, contents: pl.DataFrame) -> pd.DataFrame:
    """Rows of a patient who does not exist: no patient's data travel with a model."""
    user = {"user_id": "example", "enrolled_at": MOMENT, "consent": True, **_first_allowed(therapy.user)}
    ids = contents["content_id"].to_list()
    sessions = [
        {
            "decision_id": f"example-{number}",
            "user_id": "example",
            "decided_at": MOMENT + timedelta(days=1 + number),
            "content_id": ids[number % len(ids)],
            **_first_allowed(therapy.context),
        }
        for number in range(SESSIONS)
    ]
    return rows_of(therapy, Tables.from_rows(therapy, users=[user], measurements=_reading(therapy), sessions=sessions))


def _reading(therapy: Therapy) -> list[dict[str, Any]]:
    status = therapy.status
    if status is None:
        return []
    return [{"user_id": "example", "measured_at": MOMENT, "instrument": status.instrument, "score": status.minimum}]


def _first_allowed(columns: Columns) -> Mapping[str, Any]:
    kinds = {name: column for name, column in columns.items() if column.kind in {"number", "category", "boolean"}}
    return {
        name: column.values[0] if column.values else False if column.kind == "boolean" else column.minimum or 0.0
        for name, column in kinds.items()
    }
