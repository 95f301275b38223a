"""Whatever a file holds, an import ends with every row accounted for, or with an error in words and nothing written."""

import csv
import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.importing.run import import_tables
from posology.errors import CannotDo
from posology.importing.mapping_file import MappingFile
from posology.therapy import Therapy

COLUMNS = {"user_id": "id", "measured_at": "at", "instrument": {"constant": "PHQ9"}, "score": "score"}
FEW = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6) | st.sampled_from(
    ["1", "2026-03-01T09:00Z", '"', ",", "\n", "NaN"]
)
bits = st.sampled_from(
    [b"id,at,score\n", b"p1,2026-03-01T09:00Z,1\n", b'"', b",", b"\n", b"\r", b"PAR1", b"\xff", b"\0"]
)


@pytest.fixture
def mapped(clinic: Therapy, tmp_path: Path) -> Any:
    """Imports bytes as measurements from a file of a kind; gives the report and the rows."""

    def run(kind: str, content: bytes) -> tuple[Any, pl.DataFrame]:
        (tmp_path / "a").write_bytes(content)
        entry = {kind: "a", "columns": COLUMNS}
        (tmp_path / "mapping.yaml").write_text(yaml.safe_dump({"users": [], "sessions": [], "measurements": entry}))
        done = import_tables(MappingFile.read(tmp_path / "mapping.yaml"), clinic, tmp_path / "out")
        return done.report.tables["measurements"], pl.read_parquet(tmp_path / "out" / "measurements.parquet")

    return run


@FEW
@given(rows=st.lists(st.tuples(cells, cells, cells), max_size=8))
def test_every_row_that_a_csv_writer_wrote_is_accounted_for(mapped: Any, rows: list[tuple[str, str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([("id", "at", "score"), *rows])
    report, kept = mapped("csv", text.getvalue().encode())
    assert report.rows == len(rows)
    assert report.mapped == kept.height
    assert kept["user_id"].is_in([row[0] for row in rows] + [None]).all()


@FEW
@given(
    content=st.lists(bits | st.binary(max_size=8), max_size=12).map(b"".join), kind=st.sampled_from(["csv", "parquet"])
)
def test_any_bytes_give_a_table_or_an_error_in_words(mapped: Any, content: bytes, kind: str) -> None:
    try:
        report, kept = mapped(kind, content)
    except CannotDo:
        return
    assert report.rows == report.mapped + report.not_mapped
    assert report.mapped == kept.height
