"""Tables become FHIR bundles and the same tables again, whatever stands in them."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from posology.errors import TableError
from posology.fhir import FhirRelease, read_records, write_records
from posology.simulators import simulate
from posology.tables import NAMES, Tables
from posology.therapy import Therapy
from posology.therapy_file import load_therapy

KINDS = {
    "number": {"kind": "number"},
    "truth": {"kind": "boolean"},
    "group": {"kind": "category", "values": ["a", "b c", " d"]},
    "words": {"kind": "text"},
    "vector": {"kind": "embedding"},
    "picture": {"kind": "image"},
}
STATUS = {
    "instrument": "THI",
    "minimum": 0,
    "maximum": 100,
    "better": "lower",
    "smallest_important_change": 7,
    "final_after_days": 84,
    "final_window_days": 21,
}
RELEASES = tuple(FhirRelease)
START = datetime(2026, 1, 1, 9, 0, 0, 123456, tzinfo=UTC)
TROUBLE = (
    "",
    " ",
    "\x00",
    "a\x07b",
    "\u2028",
    "\x7f",
    "  two  spaces ",
    '"]}',
    "ünïcødé 🧠",
    "a/b?c#d%20",
    "null",
    "\r\n",
)


def columns(part: str) -> dict[str, Any]:
    return {f"{part}_{name}": column for name, column in KINDS.items()}


def therapy_of(**changes: Any) -> Therapy:
    definition = {
        "name": "everything",
        "title": "\x01 a title that JSON may trouble",
        "version": 3,
        "status": STATUS,
        "user": {**columns("u"), "sex": {"kind": "category", "values": ["female", "male"]}, "age": {"kind": "number"}},
        "context": columns("x"),
        "content": columns("c"),
        "feedback": {"columns": columns("f"), "value": "f_number / 100", "due_hours": 24, "missing": None},
        "safety": {"safe_default": "rest"},
        "objective": "feedback",
        "exploration": {"floor": 0.01, "temperature": 0.1},
    }
    return Therapy.model_validate({**definition, **changes})


EVERYTHING = therapy_of()
texts = st.text(max_size=8) | st.sampled_from(TROUBLE)
numbers = st.floats() | st.sampled_from([-0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, 1e22, 123456789012345678.0])
times = st.datetimes(timezones=st.just(UTC))
VALUES = {
    "number": numbers,
    "truth": st.booleans(),
    "group": texts | st.sampled_from(["a", "b c", " d"]),
    "words": texts,
    "vector": st.lists(st.none() | numbers, max_size=3),
    "picture": texts,
}


def maybe(part: str) -> dict[str, st.SearchStrategy[Any]]:
    return {f"{part}_{name}": st.none() | values for name, values in VALUES.items()}


@st.composite
def cohorts(draw: st.DrawFn) -> Tables:
    """Four tables that keep the contract's types and nothing else: nulls, repeated rows, values out of range."""
    ids = draw(st.lists(texts, min_size=1, max_size=3, unique=True))
    owner = st.sampled_from(ids)
    user = {"enrolled_at": st.none() | times, "site": st.none() | texts, "consent": st.none() | st.booleans()}
    reading = {"user_id": owner, "measured_at": st.none() | times, "instrument": st.none() | texts | st.just("MMSE")}
    content = {"content_id": st.none() | texts, "active_from": st.none() | times, "active_until": st.none() | times}
    session = {
        "decision_id": st.none() | texts,
        "user_id": owner,
        "decided_at": st.none() | times,
        "content_id": st.none() | texts,
        "eligible": st.none() | st.lists(st.none() | texts, max_size=3),
        "probability": st.none() | numbers,
        "release": st.none() | texts,
        "feedback_at": st.none() | times,
    }
    sexes = {"sex": st.none() | texts | st.sampled_from(["female", "other"])}
    users = [{"user_id": user_id, **draw(st.fixed_dictionaries({**user, **maybe("u"), **sexes}))} for user_id in ids]
    return Tables.from_rows(
        EVERYTHING,
        users=users,
        measurements=draw(st.lists(st.fixed_dictionaries({**reading, "score": st.none() | numbers}), max_size=3)),
        contents=draw(st.lists(st.fixed_dictionaries({**content, **maybe("c")}), max_size=2)),
        sessions=draw(st.lists(st.fixed_dictionaries({**session, **maybe("x"), **maybe("f")}), max_size=3)),
    )


def bits(frame: pl.DataFrame) -> list[Any]:
    """Every cell, numbers as hexadecimal text, so that -0.0 is not 0.0 and NaN is NaN."""

    def exact(value: Any) -> Any:
        if isinstance(value, list):
            return [exact(item) for item in value]
        return value.hex() if isinstance(value, float) and not math.isnan(value) else repr(value)

    return [[exact(value) for value in row] for row in frame.iter_rows()]


def assert_comes_back(tables: Tables, therapy: Therapy, release: FhirRelease, folder: Path) -> None:
    write_records(tables, therapy, folder, release=release)
    again, report = read_records(folder, therapy)
    assert report.complete, (report.not_mapped, report.partly)
    for name in NAMES:
        before, after = getattr(tables, name), getattr(again, name)
        assert before.schema == after.schema
        assert bits(before) == bits(after), name


@pytest.mark.parametrize("release", RELEASES)
@settings(
    max_examples=15,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink would take minutes, and examples are small
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@example(tables=Tables.from_rows(EVERYTHING))
@given(tables=cohorts())
def test_any_four_tables_come_back_bit_for_bit(release: FhirRelease, tables: Tables) -> None:
    with TemporaryDirectory() as folder:
        assert_comes_back(tables, EVERYTHING, release, Path(folder) / "bundles")


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("name", ["mci", "depression", "tinnitus"])
def test_a_simulated_cohort_comes_back(name: str, release: FhirRelease, tmp_path: Path) -> None:
    therapy = load_therapy(name)
    tables = simulate(therapy, patients=2, seed=3).tables
    assert tables.sessions.height > 20
    assert_comes_back(tables, therapy, release, tmp_path / "bundles")


@pytest.mark.parametrize(
    "changes",
    [{"status": None}, {"feedback": None, "objective": "status"}, {"user": {}, "context": {}, "content": {}}],
    ids=["without status", "without feedback", "without columns"],
)
def test_therapies_that_lack_a_part_come_back(changes: dict[str, Any], tmp_path: Path) -> None:
    therapy = therapy_of(**changes)
    tables = Tables.from_rows(
        therapy,
        users=[{"user_id": "u1", "enrolled_at": START, "consent": True}, {"user_id": "u2", "consent": False}],
        measurements=[{"user_id": "u1", "measured_at": START, "instrument": "THI", "score": 40.0}],
        contents=[{"content_id": "rest"}],
        sessions=[
            {"decision_id": "d1", "user_id": "u1", "decided_at": START, "content_id": "rest", "eligible": []},
            {"decision_id": "d2", "user_id": "u1", "decided_at": START, "content_id": "gone", "eligible": None},
        ],
    )
    assert_comes_back(tables, therapy, FhirRelease.R4, tmp_path / "bundles")


def test_rows_that_stand_twice_come_back_twice(tmp_path: Path) -> None:
    reading = {"user_id": "u1", "measured_at": START, "instrument": "THI", "score": 40.0}
    session = {"decision_id": "d1", "user_id": "u1", "decided_at": START, "content_id": "rest", "f_number": 1.0}
    tables = Tables.from_rows(
        EVERYTHING,
        users=[{"user_id": "u1"}],
        measurements=[reading, reading],
        contents=[{"content_id": "rest"}, {"content_id": "rest"}],
        sessions=[session, {**session, "f_number": 2.0}],
    )
    assert_comes_back(tables, EVERYTHING, FhirRelease.R5, tmp_path / "bundles")


def test_the_same_cohort_is_the_same_bytes(tmp_path: Path) -> None:
    therapy = load_therapy("tinnitus")
    tables = simulate(therapy, patients=1, seed=3).tables
    for name in ("once", "again"):
        write_records(tables, therapy, tmp_path / name)
    once = {path.relative_to(tmp_path / "once"): path.read_bytes() for path in (tmp_path / "once").rglob("*.json")}
    assert once == {
        path.relative_to(tmp_path / "again"): path.read_bytes() for path in (tmp_path / "again").rglob("*.json")
    }


@pytest.mark.parametrize(
    ("instrument", "coding"),
    [
        ("MMSE", {"system": "http://loinc.org", "code": "72106-8"}),
        ("PHQ-9", {"system": "http://loinc.org", "code": "44261-6"}),
        ("THI", {"system": "urn:posology:instrument", "code": "THI"}),
    ],
)
def test_a_score_carries_the_code_of_its_instrument(instrument: str, coding: dict[str, str], tmp_path: Path) -> None:
    reading = {"user_id": "u1", "measured_at": START, "instrument": instrument, "score": 21.0}
    tables = Tables.from_rows(EVERYTHING, users=[{"user_id": "u1"}], measurements=[reading])
    write_records(tables, EVERYTHING, tmp_path / "bundles")
    (path,) = (tmp_path / "bundles" / "patients").iterdir()
    (observation,) = (
        entry["resource"]
        for entry in json.loads(path.read_text("utf-8"))["entry"]
        if entry["resource"]["resourceType"] == "Observation"
    )
    first = observation["code"]["coding"][0]
    assert coding == {name: first[name] for name in coding}
    assert observation["valueQuantity"]["code"] == "{score}"
    assert observation["effectiveDateTime"] == "2026-01-01T09:00:00.123456Z"


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ({"users": [{"user_id": None}]}, "one row for each user_id"),
        ({"users": [{"user_id": "u1"}, {"user_id": "u1"}]}, "one row for each user_id"),
        ({"sessions": [{"user_id": "u1"}, {"user_id": "u2"}]}, r"2 rows of users that .* \(u1, u2\)"),
        ({"measurements": [{"user_id": None}]}, "1 rows of users"),
    ],
    ids=["no id", "an id twice", "no such user", "nobody's"],
)
def test_rows_that_no_patient_has_are_refused_and_nothing_is_written(
    rows: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(TableError, match=complaint):
        write_records(Tables.from_rows(EVERYTHING, **rows), EVERYTHING, tmp_path / "bundles")
    assert list(tmp_path.iterdir()) == []


def test_a_time_that_fhir_cannot_write_is_refused(tmp_path: Path) -> None:
    tables = Tables.from_rows(EVERYTHING, users=[{"user_id": "u1", "enrolled_at": START}])
    far = tables.users.with_columns(pl.lit(10**18).cast(pl.Datetime("us", "UTC")).alias("enrolled_at"))
    with pytest.raises(TableError, match="outside the years 1 to 9999"):
        write_records(Tables(far, tables.measurements, tables.contents, tables.sessions), EVERYTHING, tmp_path / "x")


@pytest.mark.slow  # it starts processes
def test_several_processes_write_and_read_what_one_does(tmp_path: Path) -> None:
    therapy = load_therapy("mci")
    tables = simulate(therapy, patients=55, seed=3).tables
    tables = Tables.conform(therapy, {**vars(tables), "sessions": tables.sessions.head(200)})
    told: list[int] = []
    write_records(tables, therapy, tmp_path / "one")
    write_records(tables, therapy, tmp_path / "two", processes=2, tell=told.append)
    assert told == [50, 55]
    for path in (tmp_path / "one").rglob("*.json"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
    again, report = read_records(tmp_path / "two", therapy, processes=2)
    assert report.complete
    assert all(getattr(tables, name).equals(getattr(again, name)) for name in NAMES)
