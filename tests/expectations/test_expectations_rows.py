"""Named corruptions of single rows: each sends its row to quarantine with exactly these reasons."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from expectations import CODES, Validation
from expectations.files import tables_in
from posology.tables import NAMES

MARKS = {"users": "site", "measurements": "measured_at", "contents": "label", "sessions": "comment"}
Row = dict[str, Any]


@dataclass(frozen=True)
class Spoiled:
    """What is done to one row and the reasons of every row with its mark that ends in quarantine."""

    table: str
    change: Row
    reasons: tuple[tuple[str, ...], ...]
    copy: Row | None = None  # a second row, like the first but for these values


def one(table: str, *reasons: str, **change: Any) -> Spoiled:
    return Spoiled(table, change, (reasons,))


def twice(table: str, *reasons: tuple[str, ...], **copy: Any) -> Spoiled:
    return Spoiled(table, {}, reasons, copy)


DAY = timedelta(days=1)
CASES = {
    "a user without an id": one("users", "V201", user_id=None),
    "a user with an empty id": one("users", "V202", user_id=""),
    "a user who never enrolled": one("users", "V201", enrolled_at=None),
    "a user nobody asked for consent": one("users", "V201", consent=None),
    "a user too old": one("users", "V204", age=111.0),
    "a user too young": one("users", "V204", age=39.0),
    "a user whose age is no number": one("users", "V203", age=float("nan")),
    "a user of an undeclared sex": one("users", "V205", sex="Female"),
    "an embedding with a hole": one("users", "V203", voice=[1.0, None]),
    "an embedding with an infinity": one("users", "V203", voice=[1.0, float("inf")]),
    "an embedding too long": one("users", "V206", voice=[1.0, 2.0, 3.0]),
    "a user twice": twice("users", ("V301",)),
    "a user twice with two ages": twice("users", ("V302",), ("V302",), age=59.0),
    "a reading of nobody": one("measurements", "V201", user_id=None),
    "a reading of an unknown user": one("measurements", "V401", user_id="nobody"),
    "a reading of another instrument": one("measurements", "V207", instrument="MoCA"),
    "a reading above the instrument's range": one("measurements", "V208", score=31.0),
    "a reading below the instrument's range": one("measurements", "V208", score=-1.0),
    "a reading without a score": one("measurements", "V201", score=None),
    "a reading that is no number": one("measurements", "V201", "V203", score=float("nan")),
    "a reading twice": twice("measurements", ("V301",)),
    "a reading twice with two scores": twice("measurements", ("V302",), ("V302",), score=21.0),
    "a session without an id": one("sessions", "V201", decision_id=None),
    "a session without a time": one("sessions", "V201", decided_at=None),
    "a session without a content": one("sessions", "V201", content_id=None),
    "a session of nobody": one("sessions", "V201", user_id=None),
    "a session of an unknown user": one("sessions", "V401", user_id="nobody"),
    "a session with an unknown content": one("sessions", "V402", content_id="gone", eligible=None),
    "a session that lists an unknown content": one("sessions", "V403", eligible=["rest", "easy", "gone"]),
    "a session that lists a null": one("sessions", "V403", eligible=["rest", "easy", None]),
    "a session with a content not eligible": one("sessions", "V602", content_id="hard", eligible=["rest", "easy"]),
    "a session with nothing eligible": one("sessions", "V602", eligible=[]),
    "a session before enrolment": one("sessions", "V501", decided_at=DAY * -300, feedback_at=DAY * -299),
    "a night too long": one("sessions", "V204", sleep_hours=25.0),
    "a night without end": one("sessions", "V203", "V204", sleep_hours=float("inf")),
    "a night that is no number": one("sessions", "V203", sleep_hours=float("nan")),
    "a probability of zero": one("sessions", "V601", probability=0.0),
    "a probability above one": one("sessions", "V601", probability=1.01),
    "a probability that is no number": one("sessions", "V203", probability=float("nan")),
    "feedback before its decision": one("sessions", "V701", feedback_at=DAY * -1),
    "feedback without its time": one("sessions", "V702", feedback_at=None),
    "feedback that lacks a part": one("sessions", "V703", points=None),
    "feedback that lacks all parts": one("sessions", "V703", points=None, stars=None),
    "feedback above one": one("sessions", "V703", stars="3"),
    "feedback out of its range": one("sessions", "V204", "V703", points=130.0),
    "feedback of an undeclared value": one("sessions", "V205", "V703", stars="two"),
    "a session twice": twice("sessions", ("V301",)),
    "a session twice with two contents": twice("sessions", ("V302",), ("V302",), content_id="hard"),
}
LOST_USERS = sum(case.table == "users" for case in CASES.values()) - 1  # of the one who stands twice, one stays


@pytest.fixture(scope="module")
def marks(new_world: Callable) -> dict[str, Any]:
    """For each case the mark of the row it spoils; no two cases share a patient."""
    world, marks = new_world(), {}
    for table in NAMES:
        # Measurements and sessions of the users that are spoiled are left alone, and so are first readings.
        step = {"users": 1, "measurements": 2, "contents": 1, "sessions": 4}[table]
        names = [name for name, case in CASES.items() if case.table == table]
        for place, name in enumerate(names):
            row = 27 + place if table == "users" else place * step + (table == "measurements")
            marks[name] = world[table][row][MARKS[table]]
    return marks


@pytest.fixture(scope="module")
def spoiled(new_world: Callable, frames_of: Callable, validate_frames: Callable, marks: dict[str, Any]) -> Validation:
    """One world with every case in it, validated once."""
    world = new_world()
    for name, case in CASES.items():
        row = next(row for row in world[case.table] if row[MARKS[case.table]] == marks[name])
        if case.copy is not None:
            world[case.table].append({**row, **case.copy})
        row.update(
            {key: row[key] + value if isinstance(value, timedelta) else value for key, value in case.change.items()}
        )
    return validate_frames(frames_of(world), most_in_quarantine=0.9)


@pytest.mark.parametrize("name", CASES)
def test_a_spoiled_row_goes_to_quarantine_with_exactly_its_reasons(
    spoiled: Validation, marks: dict[str, Any], name: str
) -> None:
    case = CASES[name]
    rows = tables_in(spoiled.quarantined)[case.table].filter(pl.col(MARKS[case.table]) == marks[name])
    assert sorted(map(tuple, rows["reasons"].to_list())) == sorted(case.reasons)
    for code in {code for reasons in case.reasons for code in reasons}:
        failures = [failure for failure in spoiled.failed if (failure.code, failure.table) == (code, case.table)]
        assert failures
        assert {failure.level for failure in failures} == {"row"}
        assert case.table in CODES[code].tables


def test_nothing_but_the_spoiled_rows_and_what_depends_on_them_is_in_quarantine(
    spoiled: Validation, marks: dict[str, Any]
) -> None:
    assert spoiled.valid
    for table in NAMES:
        own = [marks[name] for name, case in CASES.items() if case.table == table]
        others = tables_in(spoiled.quarantined)[table].filter(~pl.col(MARKS[table]).is_in(own))
        # Whose user lost the id is of an unknown user; the others' users are in quarantine.
        assert set(others["reasons"].explode()) <= {"V401", "V901"}
        assert others.height == {"measurements": 2 * LOST_USERS, "sessions": 5 * LOST_USERS}.get(table, 0)


def test_what_a_quarantined_user_left_behind_goes_along_and_says_so(spoiled: Validation) -> None:
    gone = set(tables_in(spoiled.quarantined)["users"]["user_id"]) - set(
        tables_in(spoiled.accepted)["users"]["user_id"]
    )
    for table in ("measurements", "sessions"):
        rows = tables_in(spoiled.quarantined)[table].filter(pl.col("user_id").is_in(gone))
        assert rows.height
        assert all("V901" in reasons for reasons in rows["reasons"])
        assert all("user_id: its user is not in quarantine" in because for because in rows["because"])


def test_what_was_accepted_satisfies_every_rule(spoiled: Validation, validate_frames: Callable) -> None:
    again = validate_frames(tables_in(spoiled.accepted))
    assert again.valid
    assert again.failed == ()


def test_examples_are_ids_or_row_numbers_and_five_at_most(spoiled: Validation) -> None:
    ids = {
        *tables_in(spoiled.quarantined)["users"]["user_id"],
        *tables_in(spoiled.quarantined)["sessions"]["decision_id"],
    } - {None, ""}
    for failure in spoiled.failed:
        assert 1 <= len(failure.examples) <= 5
        for example in failure.examples:
            assert example in ids or "row " in example
