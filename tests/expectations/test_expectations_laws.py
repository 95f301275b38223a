"""Laws: no row is lost, Great Expectations agree with the therapy, nothing unevaluated passes."""

import random
from collections.abc import Callable

import great_expectations.expectations as gxe
import polars as pl
import pytest

from expectations.columns import declared
from expectations.files import tables_in
from expectations.judge import Judge
from expectations.rule import looked_at, native, present
from posology.errors import TableError
from posology.tables import KEYS, NAMES, ORDERS
from posology.therapy import Column

VALUES = {
    pl.String: [None, "", "u01", "easy", "gone", "2"],
    pl.Float64: [None, float("nan"), float("inf"), -float("inf"), -1.0, 0.0, 1.0, 1e9],
    pl.Boolean: [None, True, False],
}


def test_every_row_is_either_accepted_or_in_quarantine(
    new_world: Callable, frames_of: Callable, validate_frames: Callable
) -> None:
    rng = random.Random(1)
    frames = {name: spoil(frame, rng) for name, frame in frames_of(new_world()).items() if name != "contents"}
    frames["contents"] = frames_of(new_world())["contents"]
    result = validate_frames(frames, most_in_quarantine=0.95)
    assert result.valid
    for name in NAMES:
        kept, gone = tables_in(result.accepted)[name], tables_in(result.quarantined)[name]
        assert kept.height + gone.height == result.counts[name].rows == frames[name].height
        both = pl.concat([kept, gone.drop("reasons", "because")])
        assert in_order(both, name).equals(in_order(frames[name], name))
        assert all(gone["reasons"].list.len() > 0)
        assert kept.select(KEYS[name]).is_unique().all()
    again = validate_frames(tables_in(result.accepted))
    assert again.failed == (), "what was accepted satisfies every rule"


def test_the_size_of_blocks_changes_no_verdict(
    new_world: Callable, frames_of: Callable, validate_frames: Callable
) -> None:
    rng = random.Random(2)
    frames = {name: spoil(frame, rng) for name, frame in frames_of(new_world()).items() if name != "contents"}
    frames["contents"] = frames_of(new_world())["contents"]
    shuffled = {name: frame.sample(fraction=1, shuffle=True, seed=1) for name, frame in frames.items()}
    whole, parts = (validate_frames(shuffled, most_in_quarantine=0.95, patients_per_block=n) for n in (5_000, 3))
    assert whole.as_json()["quarantined"] == parts.as_json()["quarantined"]
    assert sorted((f.code, f.table, f.column, f.rows) for f in whole.failed) == sorted(
        (f.code, f.table, f.column, f.rows) for f in parts.failed
    )
    for name in NAMES:
        for one, other in ((whole.accepted, parts.accepted), (whole.quarantined, parts.quarantined)):
            assert in_order(tables_in(one)[name], name).equals(in_order(tables_in(other)[name], name))


def test_hostile_rows_are_all_accounted_for(
    new_world: Callable, frames_of: Callable, validate_frames: Callable
) -> None:
    """A million copies of a row, a user with 50,000 sessions, unicode and control characters, zones that differ."""
    frames = frames_of(new_world())
    users, sessions = frames["users"], frames["sessions"]
    odd = {"u01": "患者 01", "u02": "u\u202e02", "u03": "u\x0003", "u04": "e\u0301"}
    frames["users"] = users.with_columns(pl.col("user_id").replace(odd))
    frames["measurements"] = frames["measurements"].with_columns(
        pl.col("user_id").replace(odd), pl.col("measured_at").dt.convert_time_zone("Asia/Tokyo")
    )
    busy = sessions[:1].join(pl.DataFrame({"n": range(50_000)}), how="cross")
    busy = busy.with_columns(
        (pl.lit("busy-") + pl.col("n").cast(pl.String)).alias("decision_id"),
        pl.col("decided_at") + pl.duration(minutes=pl.col("n")),
        pl.col("feedback_at") + pl.duration(minutes=pl.col("n")),
    ).drop("n")
    copies = pl.concat([sessions[7:8]] * 10).join(pl.DataFrame({"n": range(100_000)}), how="cross").drop("n")
    frames["sessions"] = pl.concat([sessions, busy, copies]).with_columns(
        pl.col("user_id").replace(odd), pl.col("decided_at").dt.convert_time_zone("America/New_York")
    )
    result = validate_frames(frames, most_in_quarantine=0.99)
    assert result.valid
    kept, gone = tables_in(result.accepted), tables_in(result.quarantined)
    for name in NAMES:
        assert kept[name].height + gone[name].height == frames[name].height
    assert gone["users"]["reasons"].to_list() == [["V210"]]
    repeats = gone["sessions"].filter(pl.col("reasons").list.contains("V301"))
    assert repeats.height == 1_000_000
    assert kept["sessions"].filter(pl.col("decision_id").str.starts_with("busy")).height == 50_000


def test_great_expectations_agree_with_the_therapy_on_single_values() -> None:
    columns = {
        "age": Column(kind="number", minimum=40, maximum=110),
        "dose": Column(kind="number", minimum=0),
        "sex": Column(kind="category", values=("female", "male")),
    }
    values = {
        "age": [None, 40.0, 110.0, 39.999, 110.001, float("inf"), -float("inf"), float("nan")],
        "dose": [None, 0.0, -1e-9, 1e300, 5.0, float("inf"), -float("inf"), float("nan")],
        "sex": [None, "female", "male", "Female", "", "female ", "other", "male"],
    }
    rows, rules = pl.DataFrame(values), list(declared(columns))
    verdicts = Judge().judge("values", rules, looked_at(rules, rows))
    for name, column in columns.items():
        broken = {place for verdict in verdicts if verdict.rule.column == name for place in verdict.rows}
        is_fit = [column.holds(value) and value not in (float("inf"), -float("inf")) for value in values[name]]
        assert [place not in broken for place in range(rows.height)] == is_fit


def test_a_rule_that_cannot_be_evaluated_does_not_pass() -> None:
    rows = pl.DataFrame({"age": [1.0]})
    with pytest.raises(TableError, match="V201 · gone: is there could not be evaluated"):
        Judge().judge("users", present(["gone"]), rows)


def test_a_rule_that_great_expectations_drop_does_not_pass() -> None:
    rows = pl.DataFrame({"age: is there": [1.0]})
    with pytest.raises(TableError, match="2 rules were stated and 1 evaluated"):
        Judge().judge("users", [*present(["age"]), *present(["age"])], rows)


def test_a_pass_with_rows_against_it_is_not_believed() -> None:
    lenient = native(gxe.ExpectColumnValuesToBeInSet, "V205", "sex", "is declared", value_set=["a"], mostly=0.5)
    with pytest.raises(TableError, match="passed with 1 rows against it"):
        Judge().judge("users", [lenient], pl.DataFrame({"sex": ["a", "b"]}))


def spoil(frame: pl.DataFrame, rng: random.Random) -> pl.DataFrame:
    """The frame with a few cells set to something else and a few rows repeated."""
    columns = {name: frame[name].to_list() for name in frame.columns}
    for _ in range(12):
        name = rng.choice([name for name, kind in frame.schema.items() if type(kind) in VALUES])
        columns[name][rng.randrange(frame.height)] = rng.choice(VALUES[type(frame.schema[name])])
    whole = pl.DataFrame(columns, schema=frame.schema)
    return pl.concat([whole, whole.sample(3, seed=rng.randrange(1000))])


def in_order(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """The rows in an order of their values alone, NaN written as text so that equal is equal."""
    text = frame.with_columns(
        pl.selectors.float().cast(pl.String), pl.selectors.list().cast(pl.List(pl.String)).list.join("|")
    )
    return text.sort([*ORDERS[name], *text.columns])


@pytest.mark.parametrize("beyond", [2**62, 253_402_300_800_000_000, -(2**63) + 5])
def test_times_beyond_every_calendar_go_to_quarantine(
    beyond: int, new_world: Callable, frames_of: Callable, validate_frames: Callable
) -> None:
    frames = frames_of(new_world())
    at = pl.lit(beyond).cast(pl.Datetime("us", "UTC"))
    frames["sessions"] = frames["sessions"].with_columns(
        decided_at=pl.when(pl.int_range(pl.len()) < 2).then(at).otherwise("decided_at")
    )
    result = validate_frames(frames, most_in_quarantine=0.99)
    assert {failure.column for failure in result.failed if failure.code in {"V507", "V508"}} == {"decided_at"}
    assert tables_in(result.quarantined)["sessions"].height >= 2
