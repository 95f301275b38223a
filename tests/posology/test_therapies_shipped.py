"""The therapies that come with the platform say what a clinician would expect."""

import itertools

import polars as pl
import pytest

from posology.safety import RecentDoses, blocks
from posology.tables import catalogue_of
from posology.therapy import UTC_TIME, Therapy
from posology.therapy_file import SHIPPED, load_therapy

NAMES = ["depression", "mci", "tinnitus"]
BENIGN = {
    "mci": {"age": 70, "fall_risk": False, "sleep_hours": 7.0, "hour_of_day": 10.0},
    "depression": {"item_9": 0, "bipolar_history": False, "sleep_hours": 7.0, "hour_of_day": 10.0, "mood": 5},
    "tinnitus": {
        "hyperacusis": False,
        "gad_7": 5,
        "hearing_loss": 30,
        "hearing_aid": False,
        "sleep_hours": 7.0,
        "hour_of_day": 10.0,
        "annoyance": 4,
    },
}
DANGERS = [
    ("mci", {"age": 88}, "S001", "level > 7"),
    ("mci", {"fall_risk": True}, "S002", "standing"),
    ("mci", {"hour_of_day": 21.0}, "S003", "level > 6"),
    ("mci", {"sleep_hours": 3.0}, "S004", "level > 6"),
    ("depression", {"item_9": 1}, "S001", "hazard = 'exposure'"),
    ("depression", {"item_9": 1}, "S002", "hazard = 'rumination'"),
    ("depression", {"item_9": 2}, "S003", "level > 5"),
    ("depression", {"bipolar_history": True}, "S004", "hazard = 'sleep_restriction'"),
    ("depression", {"sleep_hours": 4.0}, "S005", "hazard = 'sleep_restriction'"),
    ("depression", {"mood": 2}, "S006", "hazard = 'rumination'"),
    ("depression", {"hour_of_day": 22.5}, "S007", "approach = 'activation'"),
    ("tinnitus", {"hyperacusis": True}, "S001", "decibels > 45"),
    ("tinnitus", {"hyperacusis": True}, "S002", "approach = 'exposure' AND level > 4"),
    ("tinnitus", {"gad_7": 16}, "S003", "approach = 'exposure'"),
    ("tinnitus", {"annoyance": 9}, "S004", "approach = 'attention' AND level > 5"),
    ("tinnitus", {"hour_of_day": 22.5}, "S005", "level > 6"),
    ("tinnitus", {"hearing_loss": 70}, "S006", "approach = 'sound'"),
]


def blocked(therapy: Therapy, situation: dict[str, object]) -> dict[str, set[str]]:
    """Code → ids of the contents it blocks, for a patient who was given nothing yet."""
    contents = catalogue_of(therapy)
    schema = {name: column.dtype for name, column in (therapy.user | therapy.context).items()}
    frame = pl.DataFrame(
        [{"decided_at": None} | {name: situation.get(name) for name in schema}],
        schema={"decided_at": UTC_TIME, **schema},
    ).with_columns(decided_at=pl.datetime(2025, 6, 1, time_zone="UTC"))
    found = blocks(therapy, contents, frame, RecentDoses.none(1, therapy))
    return {code: set(contents["content_id"].filter(pl.Series(rows[0]))) for code, rows in found.by_code.items()}


def test_these_therapies_are_shipped() -> None:
    assert sorted(file.stem for file in SHIPPED.glob("*.yaml")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_patient_without_dangers_may_have_every_content(name: str) -> None:
    assert blocked(load_therapy(name), BENIGN[name]) == {}


@pytest.mark.parametrize(("name", "danger", "code", "contents"), DANGERS)
def test_a_danger_blocks_the_contents_it_is_about(
    name: str, danger: dict[str, object], code: str, contents: str
) -> None:
    therapy = load_therapy(name)
    meant = set(catalogue_of(therapy).filter(pl.sql_expr(contents))["content_id"])
    assert meant
    assert blocked(therapy, BENIGN[name] | danger)[code] == meant


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_has_a_danger_that_is_tested(name: str) -> None:
    codes = {code for therapy, _, code, _ in DANGERS if therapy == name}
    assert codes == {rule.code for rule in load_therapy(name).safety.rules}


@pytest.mark.parametrize("name", NAMES)
def test_there_is_enough_to_choose_from_and_exploring_stays_small(name: str) -> None:
    therapy = load_therapy(name)
    contents = catalogue_of(therapy)
    assert contents.height >= 30
    assert therapy.exploration.floor * contents.height <= 0.15


@pytest.mark.parametrize("name", NAMES)
def test_the_safe_default_takes_no_time_and_asks_nothing(name: str) -> None:
    therapy = load_therapy(name)
    default = catalogue_of(therapy).row(by_predicate=pl.col("content_id") == therapy.safety.safe_default, named=True)
    assert (default["minutes"], default["level"]) == (0, 0)


@pytest.mark.parametrize("name", NAMES)
def test_fairness_can_be_looked_at_and_patients_can_comment(name: str) -> None:
    therapy = load_therapy(name)
    assert any(column.protected for column in therapy.user.values())
    assert therapy.feedback is not None
    assert any(column.kind == "text" for column in therapy.feedback.columns.values())


@pytest.mark.parametrize("name", NAMES)
def test_feedback_runs_from_zero_to_one(name: str) -> None:
    feedback = load_therapy(name).feedback
    assert feedback is not None
    ends = {
        column_name: (False, True) if column.kind == "boolean" else (column.minimum, column.maximum)
        for column_name, column in feedback.columns.items()
        if column.kind != "text"
    }
    corners = pl.DataFrame([dict(zip(ends, corner, strict=True)) for corner in itertools.product(*ends.values())])
    values = corners.select(feedback.expression).to_series()
    assert values.min() == pytest.approx(0)
    assert values.max() == pytest.approx(1)
