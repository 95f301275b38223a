"""CSV files: dialects are read as told, and rows that are none are kept aside with their number."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from posology.errors import TableError

AT = "2026-03-01T09:00:00Z"
NINE = datetime(2026, 3, 1, 9, tzinfo=UTC)


def test_semicolons_latin_1_and_a_decimal_comma_are_read(readings, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(f"id;at;score\nJürgen;{AT};7,5\nÅsa;{AT};12\n".encode("latin-1"))
    done = readings({"csv": {"file": "a.csv", "delimiter": ";", "encoding": "latin-1", "decimal": ","}})
    assert done.rows("measurements").rows() == [("Jürgen", NINE, "PHQ9", 7.5), ("Åsa", NINE, "PHQ9", 12.0)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_ids_are_kept_as_they_are(readings, tmp_path: Path, encoding: str) -> None:
    ids = ["患者-1", "🧠", "e\u0301", "é", "نفر", "a'b\"c", " p "]
    frame = pl.DataFrame({"id": ids, "at": AT, "score": 1})
    (tmp_path / "a.csv").write_text(frame.write_csv(), encoding=encoding)
    done = readings({"csv": {"file": "a.csv", "encoding": encoding}})
    assert done.rows("measurements")["user_id"].to_list() == ids


def test_a_row_with_too_many_or_too_few_cells_is_kept_as_it_stands(readings, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        f'id,at,score\np1,{AT},1\np2,{AT}\n\n"p\n3",{AT},3\np4,{AT},4,secret\np5,{AT},5\np6'
    )
    done = readings({"csv": "a.csv"})
    assert done.rows("measurements")["user_id"].to_list() == ["p1", "p\n3", "p5"]
    assert done.complaints("measurements") == [
        ("row", "has 2 cells, the header has 3", 1, (2,)),
        ("row", "has 4 cells, the header has 3", 1, (4,)),
        ("row", "has 1 cells, the header has 3", 1, (6,)),
    ]
    assert [json.loads(raw)["line"] for raw in done.kept("measurements")["raw"]] == [
        f"p2,{AT}",
        f"p4,{AT},4,secret",
        "p6",
    ]


def test_numbers_of_rows_go_on_over_blocks(readings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.importing.csv_file.BLOCK", 400)
    bad = {7, 8, 30, 99, 100}
    lines = [f"p{n},{AT},{'x' if n == 60 else n}" + (",more" if n in bad else "") for n in range(1, 101)]
    (tmp_path / "a.csv").write_text("\n".join(["id,at,score", *lines]))
    done = readings({"csv": "a.csv"})
    assert done.kept("measurements")["row"].to_list() == sorted(bad | {60})
    assert done.rows("measurements")["user_id"].to_list() == [f"p{n}" for n in range(1, 101) if n not in bad | {60}]


def test_a_file_without_a_header_is_read_with_names_of_ones_own(readings, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"p1,{AT},1\np2,{AT}\n")
    done = readings({"csv": {"file": "a.csv", "header": ["id", "at", "score"]}})
    assert done.rows("measurements")["user_id"].to_list() == ["p1"]
    assert done.kept("measurements")["row"].to_list() == [2]


def test_quotes_over_lines_and_within_cells_are_read_as_they_stand(readings, tmp_path: Path) -> None:
    ids = ['two\nlines, a comma and ""quotes""', "a", 'say ""so""\n', "\n"]
    lines = [f'"{name}",{AT},1' for name in ids] + [f'he said "hi" to me,{AT},1']
    (tmp_path / "a.csv").write_text("\n".join(["id,at,score", *lines]))
    done = readings({"csv": "a.csv"})
    expected = [name.replace('""', '"') for name in ids] + ['he said "hi" to me']
    assert done.rows("measurements")["user_id"].to_list() == expected


def test_words_for_missing_are_missing(readings, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"id,at,score\np1,{AT},NA\np2,{AT},\n")
    done = readings({"csv": {"file": "a.csv", "missing": ["", "NA"]}})
    assert done.rows("measurements")["score"].to_list() == [None, None]


def test_a_compressed_file_is_read_as_it_is(readings, tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(f"id,at,score\np1,{AT},1\n".encode()))
    assert readings({"csv": "a.csv.gz"}).tables["measurements"].mapped == 1


@pytest.mark.parametrize("end", ["\n", ""])
def test_a_header_alone_gives_an_empty_table(readings, tmp_path: Path, end: str) -> None:
    (tmp_path / "a.csv").write_text(f"id,at,score{end}")
    assert readings({"csv": "a.csv"}).rows("measurements").is_empty()


BROKEN = {
    "empty": (b"", "got an empty file"),
    "a name twice": (b"id,id,at,score\n", "column 2 has the name of one before it"),
    "a byte of another encoding": (f"id,at,score\nJ\xfcrgen,{AT},1\n".encode("latin-1"), "name its encoding"),
    "a quote never closed": (f'id,at,score\np1,{AT},"1\np2,{AT},2\n'.encode(), "a quote never closed"),
    "two quotes never closed": (f'id,at,score\np1,{AT},"1\np2,{AT},2\np3,{AT},"3\n'.encode(), "a quote never closed"),
    "a cut gzip": (gzip.compress(b"id,at,score\n" * 999)[:-20], "can be read"),
}


@pytest.mark.parametrize(("content", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_stops_the_import_and_leaves_nothing(readings, tmp_path: Path, content: bytes, said: str) -> None:
    name = "a.csv.gz" if content[:2] == b"\x1f\x8b" else "a.csv"
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TableError, match=said) as stopped:
        readings({"csv": name})
    assert "rgen" not in str(stopped.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, "mapping.yaml"]
