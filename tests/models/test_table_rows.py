"""Tables as one frame of rows and back."""

from datetime import UTC, datetime

import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models.table_rows import TABLE, columns_of, rows_of, tables_from
from posology.errors import TableError
from posology.tables import NAMES, Tables
from posology.therapy import Therapy


def test_the_tables_come_back_as_they_were_but_for_their_lists(mci, cohort):
    back = tables_from(mci, rows_of(mci, cohort))
    for name in NAMES:
        expected = getattr(cohort, name)
        lists = [column for column, kind in expected.schema.items() if isinstance(kind, pl.List)]
        without = expected.with_columns(pl.lit(None, dtype=expected.schema[column]).alias(column) for column in lists)
        assert_frame_equal(getattr(back, name), without)


def test_embeddings_and_series_come_back_as_they_were(clinic):
    raw = clinic.model_dump(mode="json")
    raw["context"]["steps"] = {"kind": "series"}
    therapy = Therapy.model_validate(raw)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    tables = Tables.from_rows(
        therapy,
        users=[
            {"user_id": "ann", "enrolled_at": start, "consent": True, "voice": [0.1, -2.0]},
            {"user_id": "bob", "enrolled_at": start, "consent": True, "voice": None},
        ],
        contents=therapy.catalogue,
        sessions=[
            {"decision_id": "d", "user_id": "ann", "decided_at": start, "content_id": "walk", "steps": [1, None]}
        ],
    )
    back = tables_from(therapy, rows_of(therapy, tables))
    assert back.users["voice"].to_list() == [[0.1, -2.0], None]
    assert back.sessions["steps"].to_list() == [[1.0, None]]


def test_what_is_no_list_of_numbers_is_refused_without_being_told(clinic):
    rows = pd.DataFrame({"table": ["users"], "user_id": ["ann"], "voice": ['[1, "secret"]']})
    with pytest.raises(TableError, match="column voice holds what is no JSON list of numbers") as raised:
        tables_from(clinic, rows)
    assert "secret" not in str(raised.value)


def test_rows_in_any_order_are_the_same_tables(mci, cohort):
    rows = rows_of(mci, cohort)
    shuffled = tables_from(mci, rows.sample(frac=1, random_state=3).reset_index(drop=True))
    for name in NAMES:
        assert_frame_equal(getattr(shuffled, name), getattr(tables_from(mci, rows), name))


def test_the_frame_has_the_columns_promised_and_times_without_zone(mci, cohort):
    rows = rows_of(mci, cohort)
    assert list(rows.columns) == list(columns_of(mci))
    assert set(rows[TABLE]) == set(NAMES)
    assert rows["decided_at"].dt.tz is None


def test_contents_given_beside_the_frame_stand_in_for_those_it_lacks(mci, cohort):
    rows = rows_of(mci, cohort)
    lacking = rows[rows[TABLE] != "contents"]
    assert tables_from(mci, lacking, cohort.contents).contents.equals(cohort.contents)
    some = tables_from(mci, rows, cohort.contents[:1])
    assert some.contents.height == cohort.contents.height


def test_optional_columns_may_be_left_out_of_the_frame(mci, cohort):
    back = tables_from(mci, rows_of(mci, cohort).drop(columns=["site", "probability"]))
    assert back.users["site"].null_count() == back.users.height


def test_a_column_that_is_needed_may_not(mci, cohort):
    with pytest.raises(TableError, match=r"users\.parquet: missing column age"):
        tables_from(mci, rows_of(mci, cohort).drop(columns=["age"]))


def test_a_value_that_does_not_fit_is_refused_without_being_told(mci, cohort):
    rows = rows_of(mci, cohort)
    rows["age"] = rows["age"].astype(object).where(rows["age"].isna(), "forty-two")
    with pytest.raises(TableError, match="column age is String, expected Float64") as raised:
        tables_from(mci, rows)
    assert "forty-two" not in str(raised.value)


def test_no_rows_are_empty_tables(mci, cohort):
    empty = tables_from(mci, rows_of(mci, cohort)[:0], cohort.contents)
    assert isinstance(empty, Tables)
    assert empty.sessions.is_empty()
    assert isinstance(rows_of(mci, empty), pd.DataFrame)
