"""A table written in pieces is the table, and the same bytes whatever the pieces."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from posology import growing
from posology.growing import growing_table
from posology.therapy import UTC_TIME

ROWS = pl.DataFrame(
    {
        "user_id": [f"pätient {number // 4}" for number in range(50)],
        "at": [datetime(2026, 1, 1, number % 24, tzinfo=UTC) for number in range(50)],
        "eligible": [None if number % 9 == 0 else ["rest", "maze"][: number % 3] for number in range(50)],
        "score": [None if number % 7 == 0 else number / 3 for number in range(50)],
    },
    schema_overrides={"at": UTC_TIME},
)


def written(file: Path, *sizes: int) -> Path:
    with growing_table(file, ROWS.schema) as table:
        begin = 0
        for size in sizes:
            table.add(ROWS[begin : begin + size])
            begin += size
    return file


@pytest.mark.parametrize("sizes", [(50,), (1, 0, 49), (7,) * 7 + (1,), (0, 16, 16, 18)])
def test_pieces_make_the_same_bytes(tmp_path, monkeypatch, sizes):
    monkeypatch.setattr(growing, "GROUP_ROWS", 8)
    file = written(tmp_path / "grown.parquet", *sizes)
    assert file.read_bytes() == written(tmp_path / "whole.parquet", 50).read_bytes()
    found = pl.read_parquet(file)
    assert found.equals(ROWS)
    assert found.schema == ROWS.schema


def test_pages_end_where_they_would_without_pieces(tmp_path):
    rows = pl.DataFrame({"id": pl.int_range(150_000, eager=True).cast(pl.String) + "-long-enough-to-fill-pages"})
    for name, pieces in {"one": [rows], "many": [rows[:70_001], rows[70_001:70_500], rows[70_500:]]}.items():
        with growing_table(tmp_path / name, rows.schema) as table:
            for piece in pieces:
                table.add(piece)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "many").read_bytes()


def test_no_rows_are_an_empty_table(tmp_path):
    assert pl.read_parquet(written(tmp_path / "none.parquet")).equals(ROWS.clear())
