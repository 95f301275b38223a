"""``posology fhir``: what it writes, what it says, and how it ends."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.cli import main
from posology.simulators import simulate
from posology.tables import NAMES, Tables
from posology.therapy_file import load_therapy

Run = Callable[..., tuple[int, str, str]]
PATIENT = {"resourceType": "Patient", "id": "p1"}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort") / "data"
    therapy = load_therapy("mci")
    tables = simulate(therapy, patients=2, seed=3).tables
    Tables.conform(therapy, {**vars(tables), "sessions": tables.sessions.head(8)}).write(folder)
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Run]:
    """Runs ``posology fhir`` in this process: exit status, what it said, what it complained of."""
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)

    def runner(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["posology", "fhir", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    yield runner
    signal.signal(signal.SIGTERM, handler)


def test_a_cohort_goes_out_and_comes_back(run: Run, cohort: Path, tmp_path: Path) -> None:
    status, said, _ = run("write", "mci", "--data", cohort, "--out", "bundles", "--release", "R5", "--json")
    assert (status, json.loads(said)) == (0, {"folder": "bundles", "release": "R5", "patients": 2})
    status, said, complained = run("read", "mci", "--bundles", "bundles", "--out", "back")
    assert status == 0
    assert "mapped, 0 not" in said
    assert "Read FHIR bundles" in complained
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == sorted(f"{name}.parquet" for name in NAMES)
    for name in NAMES:
        assert pl.read_parquet(cohort / f"{name}.parquet").equals(
            pl.read_parquet(tmp_path / "back" / f"{name}.parquet")
        )


def test_what_is_not_mapped_is_told_and_kept_beside_the_tables(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bundles").mkdir()
    lines = [PATIENT, PATIENT, {"resourceType": "Encounter", "id": "v1"}]
    (tmp_path / "bundles" / "all.ndjson").write_text("\n".join(json.dumps(line) for line in lines))
    status, said, _ = run("read", "mci", "--bundles", "bundles", "--out", "back")
    assert status == 1
    assert "the same resource again" in said
    assert "Encounter" in said
    kept: dict[str, Any] = json.loads((tmp_path / "back" / "not-mapped.json").read_text("utf-8"))
    assert kept["not_mapped"] == [
        {"source": "all.ndjson:2", "resource": "Patient/p1", "reason": "the same resource again"}
    ]
    assert (kept["resources"], kept["mapped"], kept["no_place"]) == (3, 1, {"Encounter": 1})
    assert pl.read_parquet(tmp_path / "back" / "users.parquet").height == 1
    status, said, _ = run("read", "mci", "--bundles", "bundles", "--dry-run", "--json")
    assert (status, json.loads(said)["rows"]["users"]) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("read", "mci", "--bundles", "."), "--dry-run"),
        (("read", "mci", "--bundles", ".", "--out", "new"), "expected files .json"),
        (("read", "mci", "--bundles", "nowhere", "--dry-run"), "nowhere"),
        (("read", "mci", "--bundles", ".", "--out", "full"), "is in use"),
        (("write", "mci", "--data", ".", "--out", "new"), "users.parquet"),
        (("write", "mci", "--data", ".", "--out", "new", "--release", "R3"), "R3"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep me")
    status, _, complained = run(*arguments)
    assert status == 2
    assert complaint in complained
    assert not (tmp_path / "new").exists()
