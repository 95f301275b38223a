"""``posology import`` and ``export``: what they say, what they leave, and with which exit status."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner, Result

from flows.cli.app import app
from posology.errors import CannotDo
from posology.simulators import simulate
from posology.tables import NAMES, Tables
from posology.therapy import Therapy
from posology.therapy_file import load_therapy
from serving.store import Store

AT = "2026-03-01T09:00Z"
MAPPING = {
    "users": {
        "csv": "patients.csv",
        "columns": {
            "user_id": "id",
            "enrolled_at": "at",
            "consent": {"constant": True},
            "age": {"column": "months", "unit": "months"},
            "sex": {"column": "sex", "map": {"f": "female", "m": "male"}},
            "voice": {"constant": None},
        },
    },
    "measurements": [
        {
            "csv": "patients.csv",
            "where": f"{column} IS NOT NULL",
            "columns": {
                "user_id": "id",
                "measured_at": {"column": "at", "plus": f"{weeks} weeks"},
                "instrument": {"constant": "PHQ9"},
                "score": column,
            },
        }
        for column, weeks in (("phq_0", 0), ("phq_4", 4), ("phq_8", 8))
    ],
    "sessions": [],
}


@pytest.fixture
def clinic_file(clinic: Therapy, tmp_path: Path) -> Path:
    path = tmp_path / "clinic.yaml"
    path.write_text(yaml.safe_dump(clinic.model_dump(mode="json", exclude_none=True)))
    return path


@pytest.fixture
def mapping_file(tmp_path: Path) -> Path:
    """A wide file, a row a patient, to be read four times."""
    (tmp_path / "patients.csv").write_text(
        f"id,at,months,sex,phq_0,phq_4,phq_8\np1,{AT},600,f,20,12,\np2,{AT},480,m,18,,7\np3,{AT},many,x,9,,\n"
    )
    path = tmp_path / "mapping.yaml"
    path.write_text(yaml.safe_dump(MAPPING))
    return path


def posology(*words: Any) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_wide_table_becomes_long_and_what_cannot_be_mapped_is_answered_one(
    clinic_file: Path, mapping_file: Path, clinic: Therapy, tmp_path: Path
) -> None:
    answer = posology("import", clinic_file, "--mapping", mapping_file, "--out", tmp_path / "out", "--json")
    assert answer.exit_code == 1
    said = json.loads(answer.stdout)
    assert said["complete"] is False
    assert said["tables"]["users"] == {
        "rows": 3,
        "mapped": 2,
        "left_out": 0,
        "not_mapped": 1,
        "complaints": [
            {"source": "patients.csv", "column": "age", "reason": "is not a number", "rows": 1, "first": [3]},
            {
                "source": "patients.csv",
                "column": "sex",
                "reason": "is not among the values of map",
                "rows": 1,
                "first": [3],
            },
        ],
    }
    assert {key: said["tables"]["measurements"][key] for key in ("rows", "mapped", "left_out", "not_mapped")} == {
        "rows": 9,
        "mapped": 5,
        "left_out": 4,
        "not_mapped": 0,
    }
    tables = Tables.read(tmp_path / "out", clinic)
    assert tables.users["age"].to_list() == [50.0, 40.0]
    assert tables.measurements.filter(user_id="p2")["score"].to_list() == [18.0, 7.0]
    assert tables.contents["content_id"].to_list() == ["rest", "walk"]


def test_a_dry_run_says_the_same_and_writes_nothing(clinic_file: Path, mapping_file: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    answer = posology("import", clinic_file, "--mapping", mapping_file, "--dry-run", "--out", tmp_path / "out")
    assert answer.exit_code == 1
    assert sorted(tmp_path.rglob("*")) == before
    for words in ("type there", "is not a number", "left out (where)", "this was a dry run"):
        assert words in answer.stdout
    assert "many" not in answer.output


def test_where_every_row_is_mapped_the_answer_is_zero(clinic_file: Path, mapping_file: Path, tmp_path: Path) -> None:
    data = tmp_path / "elsewhere"
    data.mkdir()
    lines = (tmp_path / "patients.csv").read_text().splitlines()[:3]
    (data / "patients.csv").write_text("\n".join(lines))
    out = tmp_path / "out"
    answer = posology("import", clinic_file, "--mapping", mapping_file, "--from", data, "--out", out)
    assert answer.exit_code == 0, answer.output
    assert f"posology validate {clinic_file} --data {out}" in answer.stdout
    assert sorted(path.name for path in out.iterdir()) == sorted(f"{name}.parquet" for name in NAMES)


def test_what_cannot_be_done_writes_nothing(clinic_file: Path, mapping_file: Path, tmp_path: Path) -> None:
    (tmp_path / "patients.csv").unlink()
    for words in (["--out", tmp_path / "out"], ["--out", tmp_path], []):
        answer = posology("import", clinic_file, "--mapping", mapping_file, *words)
        assert isinstance(answer.exception, CannotDo)
    assert not (tmp_path / "out").exists()


def test_the_store_is_exported_as_it_was_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PUBLIC_DATA_SETS", raising=False)  # where examples' data are is no setting of the program
    therapy = load_therapy("mci")
    tables = simulate(therapy, patients=5, seed=1, weeks=2).tables
    home = tmp_path / "home"
    home.mkdir()
    with closing(Store.open(f"sqlite:///{home / 'store.db'}", therapy)) as store:
        store.load(tables)
    answer = posology("export", "mci", "--out", tmp_path / "out", "--home", home, "--json")
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["rows"]["sessions"] == tables.sessions.height
    exported = Tables.read(tmp_path / "out", therapy)
    assert all(getattr(exported, name).equals(getattr(tables, name)) for name in NAMES)
    assert isinstance(posology("export", "mci", "--out", tmp_path / "out", "--home", home).exception, CannotDo)


def test_what_was_exported_is_imported_again_without_loss(clinic: Therapy, tmp_path: Path) -> None:
    """The four tables are a source like any other."""
    from flows.importing.run import import_tables
    from posology.importing.mapping_file import MappingFile
    from posology.tables import schema_of

    therapy = load_therapy("mci")
    tables = simulate(therapy, patients=5, seed=1, weeks=2).tables
    tables.write(tmp_path / "first")
    mapping = {
        name: {"parquet": f"{name}.parquet", "columns": {column: column for column in schema_of(name, therapy)}}
        for name in NAMES
    }
    (tmp_path / "mapping.yaml").write_text(yaml.safe_dump(mapping))
    done = import_tables(
        MappingFile.read(tmp_path / "mapping.yaml"), therapy, tmp_path / "second", start=tmp_path / "first"
    )
    assert done.report.complete
    for name in NAMES:
        assert pl.read_parquet(tmp_path / "second" / f"{name}.parquet").equals(getattr(tables, name))
