"""Tables as one frame of rows and back."""

import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models.table_rows import TABLE, columns_of, rows_of, tables_from
from posology.errors import TableError
from posology.tables import NAMES, Tables


def test_the_tables_come_back_as_they_were_but_for_their_lists(mci, cohort):
    back = tables_from(mci, rows_of(mci, cohort))
    for name in NAMES:
        expected = getattr(cohort, name)
        lists = [column for column, kind in expected.schema.items() if isinstance(kind, pl.List)]
        without = expected.with_columns(pl.lit(None, dtype=expected.schema[column]).alias(column) for column in lists)
        assert_frame_equal(getattr(back, name), without)


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
