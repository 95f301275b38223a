"""What is learnt, when it was known, and who learns and who judges."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.split import SHARES, part_of, split, time_cut
from models.targets import final_status, target_rows, targets_of
from posology.tables import Tables
from posology.therapy import Therapy

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def tables_of(therapy: Therapy, *, readings: dict[float, float], sessions: list[dict[str, Any]]) -> Tables:
    """One patient: day → score, and sessions."""
    return Tables.from_rows(
        therapy,
        users=[{"user_id": "ann", "enrolled_at": START - 9 * DAY}],
        measurements=[
            {"user_id": "ann", "measured_at": START + day * DAY, "instrument": "MMSE", "score": score}
            for day, score in readings.items()
        ],
        contents=therapy.catalogue,
        sessions=[
            {"decision_id": f"d{n}", "user_id": "ann", "content_id": "maze"} | row for n, row in enumerate(sessions)
        ],
    )


def final_of(therapy: Therapy, readings: dict[float, float]) -> list[tuple[datetime, float]]:
    assert therapy.status is not None
    found = final_status(therapy.status, tables_of(therapy, readings=readings, sessions=[]).measurements)
    return list(found.select("known_at", "target").iter_rows())


@pytest.mark.parametrize(
    ("readings", "day"),
    [
        ({}, None),
        ({0: 20}, None),
        ({0: 20, 62.9: 21, 105.1: 22}, None),
        ({0: 20, 63: 21}, 63),
        ({0: 20, 105: 21}, 105),
        ({0: 20, 80: 21, 87: 22}, 87),
        ({0: 20, 82: 21, 86: 22}, 82),
        ({0: 20, 84: 21, 90: 22}, 84),
        ({5: 20, 84: 21, 94: 22}, 84),
        ({5: 20, 83: 21, 94: 22}, 94),
    ],
)
def test_the_final_status_is_the_reading_nearest_its_day_within_the_window_and_the_earlier_of_two(drill, readings, day):
    expected = [] if day is None else [(START + day * DAY, readings[day])]
    assert final_of(drill, readings) == expected


def test_readings_of_another_instrument_are_no_final_status(drill):
    tables = tables_of(drill, readings={0: 20, 84: 21}, sessions=[])
    other = tables.measurements.with_columns(
        instrument=pl.when(pl.col("score") == 21).then(pl.lit("MoCA")).otherwise("instrument")
    )
    assert final_status(drill.status, other).is_empty()


def test_the_final_status_is_learnt_from_the_sessions_between_first_and_final_reading(drill):
    times = [-DAY, timedelta(0), 40 * DAY, 84 * DAY - HOUR, 84 * DAY, 90 * DAY]
    sessions = [{"decided_at": START + time} for time in times]
    rows = target_rows(drill, tables_of(drill, readings={0: 20, 84: 25}, sessions=sessions), "status")
    assert rows["decision_id"].to_list() == ["d1", "d2", "d3"]
    assert set(rows["target"]) == {25.0}
    assert set(rows["known_at"]) == {START + 84 * DAY}


@pytest.mark.parametrize(
    ("delay", "score", "expected"),
    [
        (HOUR, 80.0, (0.8, HOUR)),
        (24 * HOUR, 80.0, (0.8, 24 * HOUR)),
        (24 * HOUR + timedelta(microseconds=1), 80.0, (None, 24 * HOUR)),
        (None, 80.0, (None, 24 * HOUR)),
        (HOUR, None, (None, 24 * HOUR)),
        (-HOUR, 80.0, (0.8, timedelta(0))),
    ],
)
@pytest.mark.parametrize("missing", [None, 0.25])
def test_feedback_is_known_when_it_came_and_missing_from_when_it_was_due(drill, delay, score, expected, missing):
    therapy = drill.model_copy(update={"feedback": drill.feedback.model_copy(update={"missing": missing})})
    came = {"feedback_at": None if delay is None else START + delay, "score": score}
    tables = tables_of(therapy, readings={30: 20}, sessions=[{"decided_at": START} | came])
    value, known_after = (missing if expected[0] is None else expected[0]), expected[1]
    rows = list(target_rows(therapy, tables, "feedback").select("target", "known_at").iter_rows())
    assert rows == ([] if value is None else [(value, START + known_after)])


@pytest.mark.parametrize(("as_of_hours", "rows"), [(23, 0), (24, 1)])
def test_feedback_that_is_not_yet_due_is_not_yet_missing(drill, as_of_hours, rows):
    tables = tables_of(drill, readings={as_of_hours / 24: 20}, sessions=[{"decided_at": START}])
    assert target_rows(drill, tables, "feedback").height == rows


def test_contents_that_are_not_in_the_table_are_not_learnt_from(drill):
    sessions = [{"decided_at": START, "content_id": "gone"}, {"decided_at": START + DAY}]
    tables = tables_of(drill, readings={0: 20, 84: 21}, sessions=sessions)
    for target in targets_of(drill):
        assert target_rows(drill, tables, target)["session"].to_list() == [1]


def test_a_therapy_learns_what_it_declares(drill):
    assert targets_of(drill) == ("feedback", "status")
    assert targets_of(drill.model_copy(update={"status": None})) == ("feedback",)
    assert targets_of(drill.model_copy(update={"feedback": None})) == ("status",)


# Who fits, calibrates and judges.

known = st.lists(st.tuples(st.sampled_from([f"u{n}" for n in range(30)]), st.integers(0, 50)), min_size=0, max_size=60)


def known_rows(pairs: list[tuple[str, int]]) -> pl.DataFrame:
    schema = {"user_id": pl.String, "known_at": pl.Datetime("us", "UTC")}
    return pl.DataFrame([(user_id, START + day * DAY) for user_id, day in pairs], schema=schema, orient="row")


@given(pairs=known, more=known)
def test_a_patient_never_changes_part_as_the_data_grow(pairs, more):
    before, after = (split(known_rows(rows), past_share=0.6) for rows in (pairs, pairs + more))
    parts = [dict(zip(found["user_id"], found["part"], strict=True)) for found in (before, after)]
    assert all(parts[1][user_id] == part for user_id, part in parts[0].items() if user_id in parts[1])


@given(pairs=known, past_share=st.floats(0.1, 0.9))
def test_nobody_is_in_two_parts_and_nobody_judges_on_what_was_known_when_fitting(pairs, past_share):
    found = split(known_rows(pairs), past_share=past_share)
    assert found.schema["part"] == pl.String
    assert (
        found.group_by("user_id").agg(pl.col("part").n_unique())["part"].to_list() == [1] * found["user_id"].n_unique()
    )
    judge = found.filter(pl.col("part") == "judge")["known_at"]
    learnt = found.filter(pl.col("part") != "judge")["known_at"]
    if time_cut(known_rows(pairs), past_share=past_share) is None:
        assert found.height == len(pairs)
    elif judge.len() and learnt.len():
        assert learnt.max() < judge.min()


def test_what_became_known_all_at_once_is_split_by_patient_only():
    pairs = [(f"u{n}", 3) for n in range(30)]
    found = split(known_rows(pairs), past_share=0.6)
    assert found.height == 30
    assert set(found["part"]) == {part for part, _ in SHARES}


def test_what_became_known_at_the_cut_is_past():
    rows = known_rows([(f"u{n}", day) for n in range(30) for day in (1, 2, 3)])
    assert time_cut(rows, past_share=0.5) == START + 2 * DAY
    found = split(rows, past_share=0.5).group_by("part").agg(pl.col("known_at").unique().sort())
    known_at = dict(found.iter_rows())
    assert known_at["judge"] == [START + 3 * DAY]
    assert known_at["fit"] == known_at["calibrate"] == [START + DAY, START + 2 * DAY]


def test_the_past_holds_its_share_of_the_rows():
    rows = known_rows([(f"u{n}", n) for n in range(100)])
    assert time_cut(rows, past_share=0.6) == START + 60 * DAY
    assert time_cut(rows[:0], past_share=0.6) is None


def test_the_parts_hold_their_shares_of_patients():
    parts = np.array([part_of(f"patient {n}") for n in range(20_000)])
    for part, share in SHARES:
        assert (parts == part).mean() == pytest.approx(share, abs=0.015)


def test_the_part_of_a_patient_is_for_ever():
    assert [part_of(f"patient {n}") for n in range(2, 6)] == ["judge", "calibrate", "fit", "judge"]
