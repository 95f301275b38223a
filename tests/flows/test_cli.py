"""The command line: every command explains itself, answers in one JSON object, and says errors in words."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.cli import main
from flows.registry import Registry
from posology.tables import NAMES

COMMANDS = (
    ("demo",),
    ("simulate",),
    ("import",),
    ("export",),
    ("validate",),
    ("load",),
    ("fhir",),
    ("fhir", "write"),
    ("fhir", "read"),
    *(("snapshot", *words) for words in ((), ("take",), ("list",), ("show",), ("verify",), ("push",), ("pull",))),
    ("evaluate",),
    ("effects",),
    ("retrain",),
    ("review",),
    ("review", "list"),
    ("review", "show"),
    ("review", "sign"),
    ("promote",),
    ("rollback",),
    ("history",),
    ("modes",),
    ("serve",),
    ("openapi",),
    *(("token", *words) for words in ((), ("add",), ("list",), ("revoke",), ("rotate",))),
    ("replay",),
    ("erase",),
    ("schedule",),
    ("ui",),
)


@dataclass(frozen=True)
class Answer:
    """What a command ended with."""

    status: int
    said: str
    complained: str

    @property
    def content(self) -> Any:
        """Its standard output, which must be JSON and nothing else."""
        return json.loads(self.said)


Posology = Callable[..., Answer]


@pytest.fixture
def posology(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Posology]:
    """Runs a command in this process as the installed program does, in a home of its own."""
    monkeypatch.setenv("POSOLOGY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)

    def run(*words: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["posology", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        heard = capsys.readouterr()
        return Answer(int(end.value.code or 0), heard.out, heard.err)

    yield run
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def changed(calm_data: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the data with tables changed; None takes one away, bytes stand for a file that is no table."""

    def make(**tables: Callable[[pl.DataFrame], pl.DataFrame] | bytes | None) -> Path:
        folder = tmp_path / "changed"
        folder.mkdir()
        for name in NAMES:
            file, change = f"{name}.parquet", tables.get(name, lambda table: table)
            if isinstance(change, bytes):
                (folder / file).write_bytes(change)
            elif change is not None:
                change(pl.read_parquet(calm_data / file)).write_parquet(folder / file)
        return folder

    return make


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(posology: Posology, command: tuple[str, ...]) -> None:
    answer = posology(*command, "--help")
    assert answer.status == 0
    assert f"posology {' '.join(command)}" in answer.said
    assert answer.complained == ""


def test_the_help_lists_every_command(posology: Posology) -> None:
    from flows.cli.app import app

    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    known |= {str(group.name) for group in app.registered_groups}
    assert known == {command[0] for command in COMMANDS}
    assert all(command[0] in posology("--help").said for command in COMMANDS)


def test_help_needs_none_of_the_large_libraries() -> None:
    large = ("prefect", "mlflow", "great_expectations", "dvc", "bentoml", "catboost", "sklearn", "matplotlib")
    code = f"import sys, flows.cli; print([name for name in {large!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_valid_data_are_called_valid(posology: Posology, calm_file: Path, calm_data: Path, tmp_path: Path) -> None:
    answer = posology("validate", calm_file, "--data", calm_data, "--json")
    assert answer.status == 0
    assert answer.content == {
        "valid": True,
        "quarantined": dict.fromkeys(NAMES, 0),
        "rows": {"users": 40, "measurements": 0, "contents": 2, "sessions": 320},
        "failed": [],
        "docs": str(tmp_path / "home" / "docs" / "calm" / "index.html"),
    }
    assert Path(answer.content["docs"]).is_file()


def test_bad_rows_are_named_with_table_column_and_place(
    posology: Posology, changed: Callable[..., Path], calm_file: Path
) -> None:
    place = pl.int_range(pl.len())
    data = changed(
        users=lambda table: pl.concat([table, table[:1], table[1:2].with_columns(age=pl.lit(20.5))]),
        sessions=lambda table: table.with_columns(
            feedback_at=pl.when(place == 30).then(pl.col("decided_at").dt.offset_by("-1h")).otherwise("feedback_at"),
            content_id=pl.when(place == 40).then(pl.lit("dance")).otherwise("content_id"),
            score=pl.when(place == 50).then(pl.lit(101.0)).otherwise("score"),
        ),
    )
    answer = posology("validate", calm_file, "--data", data, "--json")
    assert answer.status == 0  # single rows go to quarantine, the rest is valid
    failed = {(item["code"], item["table"], item["column"]): item for item in answer.content["failed"]}
    expected = {
        ("V301", "users", "user_id"): (1, ["row 41"]),
        ("V302", "users", "user_id"): (2, ["calm-001", "row 42"]),
        ("V701", "sessions", "feedback_at"): (1, ["calm-003-6"]),
        ("V402", "sessions", "content_id"): (1, ["calm-005-0"]),
        ("V204", "sessions", "score"): (1, ["calm-006-2"]),
    }
    assert set(expected) <= set(failed)
    for key, (rows, _) in expected.items():
        assert failed[key]["rows"] == rows, key
        assert failed[key]["level"] == "row"
        assert failed[key]["examples"]
    assert failed["V701", "sessions", "feedback_at"]["examples"] == ["calm-003-6"]
    assert answer.content["quarantined"]["users"] == 3


BAD_TABLES: dict[str, tuple[dict[str, Any], int, str]] = {
    "a missing table": ({"sessions": None}, 2, "sessions.parquet: missing; expected a Parquet file with decision_id"),
    "a file that is no table": ({"users": b"PAR1 not"}, 2, "users.parquet: expected a Parquet file that can be read"),
    "an empty file": ({"users": b""}, 2, "users.parquet: expected a Parquet file that can be read"),
    "a wrong dtype": ({"users": lambda table: table.with_columns(age=pl.lit("old"))}, 1, "V103"),
    "an unknown column": ({"users": lambda table: table.with_columns(mood=pl.lit(1))}, 1, "V102"),
    "an empty table": ({"sessions": lambda table: table.clear()}, 1, "V104"),
    "contents twice": ({"contents": lambda table: pl.concat([table, table])}, 1, "V106"),
}


@pytest.mark.parametrize("kind", BAD_TABLES)
def test_bad_tables_are_named_and_refused(
    posology: Posology, changed: Callable[..., Path], calm_file: Path, kind: str
) -> None:
    tables, status, complaint = BAD_TABLES[kind]
    answer = posology("validate", calm_file, "--data", changed(**tables), "--json")
    assert answer.status == status
    if status == 2:
        assert complaint in answer.complained
        assert answer.said == ""
    else:
        assert not answer.content["valid"]
        assert complaint in {item["code"] for item in answer.content["failed"]}
    assert "Traceback" not in answer.complained


def test_people_read_what_failed_in_a_table(posology: Posology, changed: Callable[..., Path], calm_file: Path) -> None:
    answer = posology("validate", calm_file, "--data", changed(users=lambda table: table.drop("age")))
    assert answer.status == 1
    assert "V101" in answer.said
    assert "The data are NOT valid" in answer.said


BAD_THERAPIES = {
    "nobody's name": ("nobody", "no therapy 'nobody': expected one of depression, mci, tinnitus"),
    "a file that is not there": ("nowhere.yaml", "nowhere.yaml: no such therapy file"),
    "a folder": ("folder.yaml", "folder.yaml: no such therapy file"),
    "a file that is not YAML": ("broken file.yaml", "broken file.yaml line 1: expected a YAML file that can be read"),
    "a file of something else": ("list.yaml", "list.yaml line 1: expected a mapping"),
    "a definition that does not hold": ("wrong.yaml", "wrong.yaml line 2: unknown key colour"),
}


@pytest.mark.parametrize("kind", BAD_THERAPIES)
@pytest.mark.parametrize("command", ["retrain", "validate"])
def test_a_bad_therapy_is_refused_by_its_place(
    posology: Posology, calm_data: Path, tmp_path: Path, command: str, kind: str
) -> None:
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "broken file.yaml").write_text("name: [")
    (tmp_path / "list.yaml").write_text("- mci")
    (tmp_path / "wrong.yaml").write_text("name: mine\ncolour: red\n")
    therapy, complaint = BAD_THERAPIES[kind]
    answer = posology(command, therapy, "--data", calm_data)
    assert answer.status == 2
    assert complaint in answer.complained
    assert answer.complained.startswith("TherapyError: ")
    assert "Traceback" not in answer.complained


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("retrain", "mci", "--data", "nowhere"), "does not exist"),
        (("validate", "mci", "--data", "a-file"), "is a file"),
        (("validate", "mci"), "Missing option '--data'"),
        (("retrain",), "Missing argument"),
        (("cure", "mci"), "No such command"),
        (("simulate", "mci", "--patients", "none"), "Invalid value for '--patients'"),
        (("simulate", "mci", "--patients", "5", "--out", "a-file/deeper"), "a-file"),
        (("history", "mci", "--home", "a-file"), "a-file: File exists"),
        (("history", "mci", "--home", "/proc/home"), "CannotDo: /proc/home: No such file or directory"),
        (("history", "mci", "--at", "yesterday"), "Invalid value for '--at'"),
        (("schedule",), "no therapy to retrain: name them (posology schedule mci)"),
        (("schedule", "mci", "nobody"), "no therapy 'nobody'"),
        (("promote", "mci"), "NotFound: mci has no candidate; `posology retrain mci` makes one"),
        (("serve", "mci"), "NotFound: mci has no champion"),
        (("rollback", "mci", "--reason", "worse"), "NotFound: mci has no previous champion"),
        (("review", "show", "mci-0123456789ab"), "NotFound: No release mci-0123456789ab"),
        (("review", "sign", "x", "--as", "Ada", "--meaning", "perhaps", "--reason", "y"), "'perhaps' is not one of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_done_is_said_in_words(
    posology: Posology, registry: Registry, tmp_path: Path, words: tuple[str, ...], complaint: str
) -> None:
    (tmp_path / "a-file").touch()
    answer = posology(*words)
    assert answer.status == 2
    assert complaint in answer.complained
    assert answer.said == ""
    assert "Traceback" not in answer.complained


def test_a_wrong_setting_is_refused(posology: Posology, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSOLOGY_RETRAIN_CRON", "weekly")
    answer = posology("history", "mci")
    assert answer.status == 2
    assert answer.complained.startswith("SettingsError: Settings are wrong: retrain_cron:")


@pytest.fixture
def orchestrated(prefect_api: str, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flows report to the server of the tests, and the home has a registry."""
    monkeypatch.setenv("POSOLOGY_PREFECT_API_URL", prefect_api)


@pytest.mark.usefixtures("orchestrated")
def test_retraining_answers_with_one_json_object(posology: Posology, calm_file: Path, calm_data: Path) -> None:
    answer = posology("retrain", calm_file, "--data", calm_data, "--json")
    assert answer.status == 1  # insufficient evidence
    content = answer.content
    assert {"release", "verdict", "guardrails", "dossier", "data_version"} <= set(content)
    assert content["verdict"] == "insufficient evidence"
    assert {"code", "verdict", "explanation"} <= set(content["guardrails"][0])
    assert Path(content["dossier"]).is_file()
    assert "✓ Track and register in MLflow" in answer.complained

    listed = posology("review", "list", "--json")
    assert [case["release"] for case in listed.content] == [content["release"]]
    shown = posology("review", "show", content["release"], "--json").content
    assert shown["tags"]["data_version"] == content["data_version"]
    assert content["release"] in posology("review", "show", content["release"]).said
    sign = ("review", "sign", content["release"], "--as", "Ada", "--meaning", "approve", "--reason", "I read it")
    refused = posology(*sign)
    assert refused.status == 1
    assert "it can only be rejected" in refused.complained
    refused = posology("promote", calm_file)
    assert refused.status == 1
    assert (
        refused.complained
        == f"Refused: {content['release']}: the guardrails say insufficient evidence; it cannot be promoted.\n"
    )
    assert posology("history", calm_file, "--json").content == []


@pytest.mark.usefixtures("orchestrated")
def test_data_that_stop_a_retraining_answer_no(
    posology: Posology, changed: Callable[..., Path], calm_file: Path
) -> None:
    data = changed(users=lambda table: table.drop("age"))
    answer = posology("retrain", calm_file, "--data", data, "--json")
    assert answer.status == 1
    assert answer.said == ""
    assert (
        "DataInvalid: the data are not valid:\n  V101 users.parquet, age: the column is in the file\n"
        in answer.complained
    )
    assert "Traceback" not in answer.complained


def test_simulating_answers_with_the_rows_it_wrote(posology: Posology, tmp_path: Path) -> None:
    answer = posology("simulate", "mci", "--patients", 5, "--seed", 1, "--out", tmp_path / "cohort", "--json")
    assert answer.status == 0
    assert answer.content["rows"]["users"] == 5
    assert pl.read_parquet(tmp_path / "cohort" / "users.parquet").height == 5
    assert (tmp_path / "cohort" / "truth" / "truth.parquet").is_file()
    again = posology("simulate", "mci", "--patients", 5, "--out", tmp_path / "cohort")
    assert again.status == 2  # nothing is overwritten


def test_the_installed_program_is_the_same(tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "posology"
    done = subprocess.run([program, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("posology ")
    assert list(tmp_path.iterdir()) == []  # importing and asking make nothing


def test_what_nobody_foresaw_ends_with_2_and_repeats_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from flows.cli import app as command_line

    def broken() -> None:
        raise ArithmeticError("Ms. Miller is 71")

    monkeypatch.setattr(command_line, "app", broken)
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "ArithmeticError" in said
    assert "Miller" not in said
