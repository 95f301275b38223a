"""The same rows are the same bytes, in whatever order they came and however many parts they are sorted in."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from posology import ordered_file
from posology.errors import TableError
from posology.ordered_file import write_ordered
from posology.simulators import simulate
from posology.tables import NAMES, Tables
from posology.therapy import Therapy
from posology.therapy_file import load_therapy


@pytest.fixture(scope="module")
def mci() -> Therapy:
    return load_therapy("mci")


@pytest.fixture(scope="module")
def cohort(mci: Therapy) -> Tables:
    return simulate(mci, patients=30, seed=1).tables


def shuffled(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    return rows.sample(fraction=1, shuffle=True, seed=seed).select(rows.columns[::-1])


def written(rows: pl.DataFrame, table: str, therapy: Therapy, file: Path) -> bytes:
    write_ordered(rows.lazy(), file, table=table, therapy=therapy)
    return file.read_bytes()


@pytest.mark.parametrize("table", NAMES)
def test_the_order_of_rows_and_columns_does_not_matter(
    mci: Therapy, cohort: Tables, tmp_path: Path, table: str
) -> None:
    rows: pl.DataFrame = getattr(cohort, table)
    file = tmp_path / "file.parquet"
    expected = written(rows, table, mci, file)
    assert_frame_equal(pl.read_parquet(file), rows)
    for seed in range(3):
        assert written(shuffled(rows, seed), table, mci, file) == expected


def test_the_size_of_the_parts_does_not_matter(
    mci: Therapy, cohort: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordered_file, "GROUP_ROWS", 70)
    nobody = cohort.sessions.head(5).with_columns(user_id=pl.lit(None, dtype=pl.String))
    rows = shuffled(pl.concat([cohort.sessions, nobody, nobody]), 1)
    expected = written(rows, "sessions", mci, tmp_path / "one.parquet")
    for part in (1, 100, 333):
        monkeypatch.setattr(ordered_file, "PART_ROWS", part)
        assert written(rows, "sessions", mci, tmp_path / "parts.parquet") == expected
    assert pl.read_parquet(tmp_path / "parts.parquet").height == rows.height


def test_types_that_fit_are_those_of_the_contract(mci: Therapy, cohort: Tables, tmp_path: Path) -> None:
    expected = written(cohort.sessions, "sessions", mci, tmp_path / "file.parquet")
    other = cohort.sessions.with_columns(
        pl.col("decided_at").dt.cast_time_unit("ns").dt.convert_time_zone("Asia/Tokyo"),
        pl.col("content_id").cast(pl.Categorical),
    )
    assert written(other, "sessions", mci, tmp_path / "file.parquet") == expected


def test_what_the_contract_does_not_know_stays_as_it_came(mci: Therapy, cohort: Tables, tmp_path: Path) -> None:
    odd = cohort.users.with_columns(
        enrolled_at=pl.lit(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=1)).cast(pl.String),
        zebra=pl.int_range(pl.len()),
        apple=pl.lit(None),
    ).drop("consent")
    written(odd, "users", mci, tmp_path / "file.parquet")
    found = pl.read_parquet(tmp_path / "file.parquet")
    assert found.columns[:2] == ["user_id", "enrolled_at"]
    assert found.columns[-2:] == ["apple", "zebra"]
    assert_frame_equal(found.sort("zebra"), odd.sort("zebra").select(found.columns))


def test_no_rows_are_a_file_with_the_columns(mci: Therapy, cohort: Tables, tmp_path: Path) -> None:
    written(cohort.sessions.clear(), "sessions", mci, tmp_path / "file.parquet")
    assert_frame_equal(pl.read_parquet(tmp_path / "file.parquet"), cohort.sessions.clear())


def test_a_file_broken_in_the_middle_is_named(mci: Therapy, cohort: Tables, tmp_path: Path) -> None:
    file = tmp_path / "sessions.parquet"
    cohort.sessions.write_parquet(file)
    damaged = bytearray(file.read_bytes())
    damaged[1000:3000] = bytes(2000)
    file.write_bytes(damaged)
    with pytest.raises(TableError, match=r"sessions\.parquet: expected rows that can be read"):
        write_ordered(pl.scan_parquet(file), tmp_path / "out.parquet", table="sessions", therapy=mci)


@pytest.mark.parametrize("milliseconds", [2**62, -(2**62)])
def test_milliseconds_beyond_every_calendar_are_refused(
    mci: Therapy, cohort: Tables, tmp_path: Path, milliseconds: int
) -> None:
    rows = cohort.users.with_columns(enrolled_at=pl.lit(milliseconds).cast(pl.Datetime("ms", "UTC")))
    with pytest.raises(TableError, match="enrolled_at holds 30 times that no calendar has"):
        written(rows, "users", mci, tmp_path / "file.parquet")
    assert not list(tmp_path.iterdir())
