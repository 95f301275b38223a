"""Corruptions that stop the flow, and the rules that need the whole table."""

from collections.abc import Callable
from datetime import timedelta

import polars as pl
import pytest

from expectations import Failure, Thresholds, Validation, validate
from expectations.files import tables_in
from posology.errors import TableError
from posology.tables import NAMES, Tables
from posology.therapy import Therapy


@pytest.fixture(scope="module")
def misshapen(new_world: Callable, frames_of: Callable, validate_frames: Callable) -> Validation:
    """Columns wrong in every way a column can be."""
    frames = frames_of(new_world())
    return validate_frames(
        {
            "users": frames["users"].drop("age").with_columns(shoe_size=pl.lit(41)),
            "measurements": frames["measurements"].with_columns(pl.col("score").cast(pl.String)),
            "contents": frames["contents"].with_columns(level=pl.lit(True)),
            "sessions": frames["sessions"].with_columns(pl.col("decided_at").dt.replace_time_zone(None)),
        },
        with_docs=True,
    )


@pytest.mark.parametrize(
    ("code", "table", "column"),
    [
        ("V101", "users", "age"),
        ("V102", "users", "shoe_size"),
        ("V103", "measurements", "score"),
        ("V103", "contents", "level"),
        ("V103", "sessions", "decided_at"),
    ],
)
def test_a_wrong_column_stops_the_flow(misshapen: Validation, code: str, table: str, column: str) -> None:
    found = [failure for failure in misshapen.failed if failure.column == column]
    assert [(failure.code, failure.table, failure.level) for failure in found] == [(code, table, "table")]


def test_with_wrong_columns_no_row_is_judged(misshapen: Validation) -> None:
    assert not misshapen.valid
    assert misshapen.accepted is None
    assert len(misshapen.failed) == 5
    assert misshapen.counts == {}
    assert misshapen.as_json()["quarantined"] == dict.fromkeys(NAMES, 0)
    assert misshapen.docs.is_file()


def test_columns_that_can_be_read_without_loss_or_may_be_absent_are_accepted(
    new_world: Callable, frames_of: Callable, validate_frames: Callable
) -> None:
    frames = frames_of(new_world())
    optional = ["eligible", "probability", "release", "feedback_at"]
    frames["sessions"] = (
        frames["sessions"]
        .drop(optional)
        .with_columns(
            pl.col("content_id").cast(pl.Categorical),
            pl.col("sleep_hours").cast(pl.Int32),
            pl.col("decided_at").dt.convert_time_zone("Europe/Berlin").dt.cast_time_unit("ms"),
            points=pl.lit(None),
            stars=pl.lit(None),
            comment=pl.lit(None),
        )
    )
    result = validate_frames(frames)
    assert result.valid
    assert result.failed == ()
    assert tables_in(result.accepted)["sessions"]["probability"].null_count() == 200


def test_empty_tables_stop_the_flow(frames_of: Callable, validate_frames: Callable) -> None:
    result = validate_frames(frames_of({}))
    assert stops(result) == [
        *(("V104", table) for table in ("users", "measurements")),
        *(("V104", "contents"), ("V107", "contents"), ("V104", "sessions")),
    ]


def test_contents_twice_or_without_a_sound_safe_default_stop_the_flow(
    new_world: Callable, frames_of: Callable, validate_frames: Callable
) -> None:
    world = new_world()
    world["contents"][0]["level"] = None
    world["contents"].append({**world["contents"][1], "level": 2.0})
    result = validate_frames(frames_of(world), most_in_quarantine=0.9999)
    assert stops(result) == [("V106", "contents"), ("V107", "contents"), ("V108", "sessions")]
    twice = failure_of(result, "V106")
    assert (twice.rows, twice.examples) == (2, ("easy", "easy"))


def test_too_many_rows_in_quarantine_stop_the_flow_and_still_say_why(
    new_world: Callable, frames_of: Callable, validate_frames: Callable
) -> None:
    world = new_world()
    for row in world["sessions"][:41]:
        row["sleep_hours"] = 100.0
    result = validate_frames(frames_of(world), with_docs=True)
    assert stops(result) == [("V108", "sessions")]
    assert failure_of(result, "V108").rows == 41
    assert ", it is 0." in failure_of(result, "V108").rule
    assert result.accepted is None
    on_disk = pl.read_parquet(result.docs.parent.parent / "quarantine" / "sessions.parquet")
    assert on_disk.equals(tables_in(result.quarantined)["sessions"])
    assert set(on_disk["reasons"].explode()) == {"V204"}


def test_without_a_status_there_are_no_readings(
    therapy: Therapy, new_world: Callable, frames_of: Callable, validate_frames: Callable
) -> None:
    without = Therapy.model_validate(
        {**therapy.model_dump(), "status": None, "objective": "feedback", "noninferiority_margin": None}
    )
    assert stops(validate_frames(frames_of(new_world()), of=without)) == [("V105", "measurements")]


def test_a_therapy_without_status_context_and_feedback_columns_needs_less(
    therapy: Therapy, new_world: Callable, frames_of: Callable, validate_frames: Callable
) -> None:
    little = {"status": None, "objective": "feedback", "noninferiority_margin": None, "user": {}, "context": {}}
    frames = frames_of(new_world())
    del frames["measurements"]
    frames["users"] = frames["users"].drop("age", "sex", "voice")
    frames["sessions"] = frames["sessions"].drop("sleep_hours")
    assert validate_frames(frames, of=Therapy.model_validate({**therapy.model_dump(), **little})).failed == ()


def test_contents_cast_their_shadow(new_world: Callable, frames_of: Callable, validate_frames: Callable) -> None:
    """A broken content, a content not yet active and a patient without consent each take their sessions along."""
    world = new_world()
    hard, spare = world["contents"][2:]
    sessions = world["sessions"]
    spare["level"] = 11.0
    hard["active_from"] = sessions[4]["decided_at"]  # the fifth day
    spare["active_from"] = spare["active_until"] = sessions[0]["decided_at"] + timedelta(days=900)
    world["users"][6]["consent"] = False
    for row in sessions:
        row["content_id"] = "rest"
        row["eligible"] = ["rest", "easy"]
    sessions[0].update(content_id="hard", eligible=None)
    sessions[4].update(content_id="hard", eligible=["rest", "hard"])
    sessions[20]["eligible"] = ["rest", "hard"]
    sessions[10].update(content_id="spare", eligible=None)
    sessions[11]["eligible"] = ["rest", "spare"]
    result = validate_frames(frames_of(world), most_in_quarantine=0.9)
    assert dict(tables_in(result.quarantined)["contents"].select("content_id", "reasons").rows()) == {
        "spare": ["V204", "V503"],
    }
    reasons = dict(tables_in(result.quarantined)["sessions"].select("decision_id", "reasons").rows())
    assert reasons == {
        "d00-1": ["V504"],
        "d02-1": ["V504", "V902"],
        "d02-2": ["V509", "V902"],
        "d04-1": ["V509"],
        **{f"d06-{day}": ["V502"] for day in range(1, 6)},
    }
    assert set(tables_in(result.quarantined)["measurements"]["user_id"]) == {"u06"}


def test_rows_without_an_id_are_named_by_their_place_in_the_file(
    new_world: Callable, frames_of: Callable, validate_frames: Callable
) -> None:
    frames = frames_of(new_world())
    shuffled = frames["sessions"].sample(fraction=1, shuffle=True, seed=3)
    ids = shuffled["decision_id"].to_list()
    ids[17] = ids[60] = None
    result = validate_frames({**frames, "sessions": shuffled.with_columns(pl.Series("decision_id", ids))})
    assert sorted(failure_of(result, "V201").examples) == ["row 18", "row 61"]


def test_a_missing_file_is_said_before_anything_is_written(therapy: Therapy, clean: Validation) -> None:
    folder = clean.docs.parent.parent / "lacking"
    Tables.read(folder.parent, therapy).write(folder)
    (folder / "users.parquet").unlink()
    with pytest.raises(TableError, match=r"users\.parquet: missing"):
        validate(therapy, folder, docs=folder / "docs", quarantine=folder / "quarantine")
    assert not (folder / "docs").exists()


@pytest.mark.parametrize("wrong", [{"quarantined_share": 1.0}, {"feedback_tolerance": -0.1}])
def test_thresholds_check_themselves(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected 0 or more"):
        Thresholds(**wrong)


def stops(result: Validation) -> list[tuple[str, str]]:
    assert not result.valid
    assert result.accepted is None
    return [(failure.code, failure.table) for failure in result.failed if failure.level == "table"]


def failure_of(result: Validation, code: str) -> Failure:
    (found,) = [failure for failure in result.failed if failure.code == code]
    return found
