"""Every row that comes is mapped, left out by a condition, or kept as it came with its reasons."""

import hashlib
import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posology.importing.mapping import Entry
from posology.importing.plan import Applied, Plan
from posology.importing.rows import REJECTED, Chunk
from posology.tables import schema_of
from posology.therapy import Therapy

SESSION = {
    "decision_id": {"row_id": ["user", "at"]},
    "user_id": "user",
    "decided_at": {"column": "at", "time_zone": "Europe/Berlin"},
    "content_id": {"column": "content", "map": {"R": "rest", "W": "walk"}},
    "eligible": {"column": "eligible", "separator": "|"},
    "probability": "probability",
    "sleep": {"column": "sleep", "unit": "minutes"},
    "score": {"expression": "CAST(points AS DOUBLE) / CAST(of AS BIGINT) * 100"},
    "done": "done",
    "comment": "comment",
}
COLUMNS = ("user", "at", "content", "eligible", "probability", "sleep", "points", "of", "done", "comment")
GOOD = dict(
    zip(COLUMNS, ("p1", "2026-03-01 10:00", "W", "rest|walk", "0.5", "450", "3", "4", "Yes", "ok"), strict=True)
)


def plan_of(clinic: Therapy, table: str = "sessions", **entry: Any) -> Plan:
    made = Plan.of(table, 0, Entry.model_validate({"csv": "a.csv", **entry}), name="a.csv", therapy=clinic)
    made.check()
    return made


def chunk_of(rows: list[dict[str, Any]], first: int = 1) -> Chunk:
    frame = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String))
    return Chunk(frame, pl.int_range(first, first + frame.height, eager=True))


def applied(clinic: Therapy, *rows: dict[str, Any], where: str | None = None, **columns: Any) -> Applied:
    plan = plan_of(clinic, columns={**SESSION, **columns}, where=where)
    return plan.apply(chunk_of([{**GOOD, **row} for row in rows]))


def test_a_good_row_is_mapped_into_the_types_of_the_table(clinic: Therapy) -> None:
    found = applied(clinic, {})
    assert dict(found.mapped.schema) == schema_of("sessions", clinic)
    row = found.mapped.row(0, named=True)
    assert len(row.pop("decision_id")) == 32
    assert row == {
        "user_id": "p1",
        "decided_at": datetime(2026, 3, 1, 9, tzinfo=UTC),
        "content_id": "walk",
        "eligible": ["rest", "walk"],
        "probability": 0.5,
        "release": None,
        "feedback_at": None,
        "sleep": 7.5,
        "score": 75.0,
        "done": True,
        "comment": "ok",
    }


def test_a_row_tells_every_column_at_fault_and_is_kept_as_it_came(clinic: Therapy) -> None:
    bad = {**GOOD, "sleep": "long", "done": "perhaps", "content": "X", "points": "many", "at": "noon"}
    found = applied(clinic, {}, bad, {})
    assert found.mapped.height == 2
    kept = found.not_mapped.row(0, named=True)
    assert kept["row"] == 2
    assert dict(zip(kept["columns"], kept["reasons"], strict=True)) == {
        "decided_at": "is not a time as ISO 8601 writes it (give its format)",
        "content_id": "is not among the values of map",
        "sleep": "is not a number",
        "score": "the expression casts what cannot be cast",
        "done": "is not true, false, yes, no, 1 or 0 (say what it means: map)",
    }
    assert json.loads(kept["raw"]) == bad


def test_a_condition_leaves_rows_out_and_a_condition_that_fails_keeps_them(clinic: Therapy) -> None:
    rows = ({"points": "1"}, {"points": "9"}, {"points": None}, {"points": "x"})
    found = applied(clinic, *rows, where="CAST(points AS DOUBLE) > 2")
    assert (found.report.mapped, found.report.left_out, found.report.not_mapped) == (1, 2, 1)
    assert found.not_mapped.select("row", "columns").rows() == [(4, ["where"])]


def test_rows_that_the_source_set_aside_count_too(clinic: Therapy) -> None:
    rejected = pl.DataFrame([(2, "has 3 cells, the header has 10", "{}")], schema=REJECTED, orient="row")
    whole = chunk_of([GOOD, GOOD])
    chunk = Chunk(whole.frame, pl.Series([1, 3]), rejected)
    found = plan_of(clinic, columns=SESSION).apply(chunk)
    assert (found.report.rows, found.report.mapped, found.report.not_mapped) == (3, 2, 1)


def test_a_row_id_is_the_same_in_every_import_and_differs_with_the_row(clinic: Therapy) -> None:
    ids = applied(clinic, {}, {"user": "p2"}, {}, {"user": None}, {"user": ""}).mapped["decision_id"]
    written = '{"user":"p1","at":"2026-03-01 10:00"}'
    assert ids[0] == ids[2] == hashlib.sha256(written.encode()).hexdigest()[:32]
    assert ids.n_unique() == 4


def test_a_missing_value_stays_missing(clinic: Therapy) -> None:
    found = applied(clinic, dict.fromkeys(COLUMNS))
    row = found.mapped.row(0, named=True)
    assert {name for name, value in row.items() if value is not None} == {"decision_id"}


texts = (
    st.none() | st.text(max_size=8) | st.sampled_from(["1", "-0", "1e400", "NaN", "2026-03-29 02:30", "R", "t", "|"])
)


@settings(max_examples=60)
@given(rows=st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(COLUMNS, texts)), max_size=6))
def test_rows_in_are_rows_mapped_left_out_and_kept_whatever_they_hold(clinic: Therapy, rows: list[Any]) -> None:
    rows = [{**GOOD, **row} for row in rows]
    found = plan_of(clinic, columns=SESSION, where="CAST(points AS DOUBLE) >= 0").apply(chunk_of(rows, first=10))
    report = found.report
    assert report.rows == len(rows) == found.mapped.height + report.left_out + found.not_mapped.height
    assert found.not_mapped["row"].is_unique().all()
    for number, raw in found.not_mapped.select("row", "raw").iter_rows():
        assert json.loads(raw) == rows[number - 10]
    for name in ("probability", "sleep", "score"):
        assert all(value is None or math.isfinite(value) for value in found.mapped[name])


@settings(max_examples=30)
@given(
    local=st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001 - local on purpose
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
)
def test_a_local_time_is_mapped_as_the_zone_database_of_python_has_it(
    clinic: Therapy, local: datetime, zone: str
) -> None:
    from zoneinfo import ZoneInfo

    found = applied(clinic, {"at": local.isoformat()}, decided_at={"column": "at", "time_zone": zone})
    first, second = (local.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        assert found.mapped["decided_at"][0] == first
        assert timedelta(hours=-15) < first.replace(tzinfo=None) - local < timedelta(hours=15)
    else:
        assert found.not_mapped["columns"].to_list() == [["decided_at"]]


def test_reports_of_parts_add_up_to_that_of_the_whole(clinic: Therapy) -> None:
    rows = [{**GOOD, "sleep": sleep} for sleep in ("1", "x", "y", "2", "z")]
    plan = plan_of(clinic, columns=SESSION)
    whole = plan.apply(chunk_of(rows)).report
    assert plan.apply(chunk_of(rows[:2])).report + plan.apply(chunk_of(rows[2:], first=3)).report == whole
    assert whole.complaints[0].first == (2, 3, 5)


def test_a_report_that_loses_a_row_cannot_be_made() -> None:
    from posology.importing.report import TableReport

    with pytest.raises(ValueError, match="3 rows came"):
        TableReport(rows=3, mapped=1, left_out=1)


def test_types_of_a_source_are_taken_as_they_are(clinic: Therapy) -> None:
    frame = pl.DataFrame(
        {
            "user": pl.Series([7], dtype=pl.Int32),
            "when": pl.Series([1_772_355_600_000], dtype=pl.Int64),
            "content": pl.Series(["walk"], dtype=pl.Categorical),
            "given": [["rest", "walk"]],
            "points": pl.Series(["75.50"]).cast(pl.Decimal(6, 2)),
            "done": [1.0],
            "nothing": [None],
        }
    )
    columns = {
        **dict.fromkeys(("user_id", "decision_id"), "user"),
        "decided_at": {"column": "when", "epoch": "milliseconds"},
        "content_id": "content",
        "eligible": "given",
        "sleep": "nothing",
        "score": "points",
        "done": "done",
        "comment": "nothing",
    }
    found = plan_of(clinic, columns=columns).apply(Chunk(frame, pl.Series([1])))
    row = found.mapped.row(0, named=True)
    assert (row["user_id"], row["decided_at"]) == ("7", datetime(2026, 3, 1, 9, tzinfo=UTC))
    assert (row["content_id"], row["eligible"], row["score"], row["done"]) == ("walk", ["rest", "walk"], 75.5, True)


EMBEDDINGS = [("[1, 2.5]", [1.0, 2.5]), ("[]", []), (None, None), ("[1, NaN]", "kept"), ("1, 2", "kept")]


@pytest.mark.parametrize(("text", "becomes"), EMBEDDINGS)
def test_an_embedding_is_read_from_json(clinic: Therapy, text: str | None, becomes: Any) -> None:
    columns = {
        "user_id": "user",
        "enrolled_at": {"constant": "2026-01-01T00:00Z"},
        "consent": {"constant": True},
        "age": {"constant": None},
        "sex": {"constant": None},
        "voice": "comment",
    }
    found = plan_of(clinic, "users", columns=columns).apply(chunk_of([{**GOOD, "comment": text}]))
    if becomes == "kept":
        assert found.not_mapped["columns"].to_list() == [["voice"]]
    else:
        assert found.mapped["voice"].to_list() == [becomes]


MISFITS: dict[str, tuple[dict[str, Any], str]] = {
    "a column that is not there": ({"comment": "coment"}, "there is no column coment .*; is it comment"),
    "an expression over one": ({"comment": {"expression": "LOWER(coment)"}}, "there is no column coment"),
    "text compared with a number": ({"score": {"expression": "points / 2"}}, "division with 'String'"),
    "a date where a number is": ({"score": {"expression": "CAST(points AS DATE)"}}, "times are not cast"),
    "fractions as ids": ({"user_id": {"expression": "CAST(points AS DOUBLE)"}}, "say how to write it"),
    "numbers as times": ({"decided_at": {"expression": "CAST(points AS BIGINT)"}}, "say epoch"),
    "a number as a list": ({"eligible": {"expression": "CAST(points AS BIGINT)"}}, "expected List"),
    "a row id of nothing": ({"decision_id": {"row_id": ["usr"]}}, "there is no column usr"),
}


@pytest.mark.parametrize(("columns", "said"), MISFITS.values(), ids=MISFITS)
def test_a_source_that_does_not_fit_is_told_before_any_row(clinic: Therapy, columns: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        plan_of(clinic, columns={**SESSION, **columns}).try_on(chunk_of([GOOD]))


def test_the_names_of_a_source_are_not_told_because_they_may_be_a_patient(clinic: Therapy) -> None:
    frame = pl.DataFrame({"Jane Doe": ["x"], "1961-04-05": ["y"]})
    for origin in ("name", {"expression": "LOWER(name)"}):
        with pytest.raises(ValueError, match="no column name") as told:
            plan_of(clinic, columns={**SESSION, "decision_id": origin}).apply(Chunk(frame, pl.Series([1])))
        assert "Jane" not in str(told.value)
