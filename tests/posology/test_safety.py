"""The shield: each rule and cap on both sides of its threshold, the unknown, and the safe default."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posology.safety import IN_A_ROW, INACTIVE, MINUTES, SHARE, Blocks, RecentDoses, blocks, feature_values
from posology.tables import Tables
from posology.therapy import UTC_TIME, Therapy

NOW = datetime(2026, 1, 1, 9, tzinfo=UTC)
RULES = {
    "S001": "level > 7 AND age > 85",
    "S002": "standing AND fall_risk",
    "S003": "content_id = 'walk' AND mood < 3",
    "S004": "age < 18",
    "S005": "level > 9.5",
}
CONTENTS = [
    {"content_id": "rest", "level": 10, "minutes": 60, "style": "slow", "standing": True},
    {"content_id": "walk", "level": 5, "minutes": 20, "style": "fast", "standing": True},
    {"content_id": "count", "level": 8, "minutes": 10, "style": "fast", "standing": False},
    {"content_id": "lie", "level": 7, "minutes": 0, "style": "slow", "standing": False},
    {"content_id": "maze", "level": 10, "minutes": 5, "style": "slow", "standing": False},
]
CAPS = {"same_content_in_a_row": 2, "minutes_per_day": 45, "feature": "style", "feature_share_of_last_10": 0.6}
BENIGN = {"age": 50.0, "fall_risk": False, "mood": 5.0}


def therapy_with(rules: dict[str, str], caps: dict[str, Any]) -> Therapy:
    return Therapy.model_validate(
        {
            "name": "calm",
            "title": "Breathing exercises",
            "version": 1,
            "user": {"age": {"kind": "number"}, "fall_risk": {"kind": "boolean"}},
            "context": {"mood": {"kind": "number"}},
            "content": {
                "level": {"kind": "number"},
                "minutes": {"kind": "number"},
                "style": {"kind": "category", "values": ["slow", "fast"]},
                "standing": {"kind": "boolean"},
            },
            "feedback": {
                "columns": {"score": {"kind": "number"}},
                "value": "score / 100",
                "due_hours": 24,
                "missing": None,
            },
            "safety": {
                "safe_default": "rest",
                "rules": [{"code": code, "forbid": forbid, "because": "test"} for code, forbid in rules.items()],
                "caps": caps,
            },
            "objective": "feedback",
            "exploration": {"floor": 0.01, "temperature": 0.1},
        }
    )


THERAPY = therapy_with(RULES, CAPS)
TABLE = Tables.from_rows(THERAPY, contents=CONTENTS).contents
IDS = TABLE["content_id"].to_list()


@dataclass(frozen=True)
class Situation:
    """One decision: what is known of the patient and what was given before."""

    known: dict[str, Any]
    last: str | None = None
    in_a_row: int = 0
    minutes: float = 0.0
    styles: tuple[int, int] = (0, 0)
    at: datetime = NOW


def shield(*situations: Situation, therapy: Therapy = THERAPY, contents: pl.DataFrame = TABLE) -> Blocks:
    schema = {"decided_at": UTC_TIME, "age": pl.Float64(), "fall_risk": pl.Boolean(), "mood": pl.Float64()}
    rows = [{"decided_at": situation.at, **situation.known} for situation in situations]
    recent = RecentDoses(
        np.array([IDS.index(situation.last) if situation.last else -1 for situation in situations]),
        np.array([situation.in_a_row for situation in situations]),
        np.array([situation.minutes for situation in situations], dtype=float),
        np.array([situation.styles for situation in situations])[:, : len(feature_values(therapy))],
    )
    return blocks(therapy, contents, pl.DataFrame(rows, schema=schema), recent)


def blocked(situation: Situation, **parts: Any) -> dict[str, set[str]]:
    """Code → ids of the contents it blocks."""
    found = shield(situation, **parts)
    return {code: {IDS[place] for place in np.flatnonzero(rows[0])} for code, rows in found.by_code.items()}


@pytest.mark.parametrize(
    ("situation", "code", "contents"),
    [
        (Situation(BENIGN | {"age": 85.0}), "S001", set()),
        (Situation(BENIGN | {"age": 85.1}), "S001", {"count", "maze"}),
        (Situation(BENIGN | {"fall_risk": False}), "S002", set()),
        (Situation(BENIGN | {"fall_risk": True}), "S002", {"walk"}),
        (Situation(BENIGN | {"mood": 3.0}), "S003", set()),
        (Situation(BENIGN | {"mood": 2.9}), "S003", {"walk"}),
        (Situation(BENIGN | {"age": 18.0}), "S004", set()),
        (Situation(BENIGN | {"age": 17.0}), "S004", {"walk", "count", "lie", "maze"}),
        (Situation(BENIGN), "S005", {"maze"}),
        (Situation(BENIGN, last="lie", in_a_row=1), IN_A_ROW, set()),
        (Situation(BENIGN, last="lie", in_a_row=2), IN_A_ROW, {"lie"}),
        (Situation(BENIGN, last="lie", in_a_row=7), IN_A_ROW, {"lie"}),
        (Situation(BENIGN, last=None, in_a_row=2), IN_A_ROW, set()),
        (Situation(BENIGN, minutes=25), MINUTES, set()),
        (Situation(BENIGN, minutes=25.5), MINUTES, {"walk"}),
        (Situation(BENIGN, minutes=45), MINUTES, {"walk", "count", "maze"}),
        (Situation(BENIGN, minutes=np.inf), MINUTES, {"walk", "count", "lie", "maze"}),
        (Situation(BENIGN, styles=(4, 5)), SHARE, set()),
        (Situation(BENIGN, styles=(3, 6)), SHARE, {"walk", "count"}),
        (Situation(BENIGN, styles=(6, 3)), SHARE, {"lie", "maze"}),
    ],
)
def test_a_rule_or_cap_blocks_beyond_its_threshold_and_not_before(situation, code, contents):
    assert blocked(situation).get(code, set()) == contents


@pytest.mark.parametrize("unknown", [None, float("nan")])
@pytest.mark.parametrize(
    ("name", "code", "contents"),
    [
        ("age", "S001", {"count", "maze"}),
        ("age", "S004", {"walk", "count", "lie", "maze"}),
        ("mood", "S003", {"walk"}),
    ],
)
def test_a_rule_that_cannot_be_known_blocks(unknown, name, code, contents):
    assert blocked(Situation(BENIGN | {name: unknown}))[code] == contents


def test_an_unknown_truth_blocks_what_it_would_forbid():
    assert blocked(Situation(BENIGN | {"fall_risk": None}))["S002"] == {"walk"}


@pytest.mark.parametrize(("attribute", "code"), [("minutes", MINUTES), ("style", SHARE), ("level", "S005")])
def test_a_content_with_an_unknown_attribute_is_blocked(attribute, code):
    is_lie = pl.col("content_id") == "lie"
    contents = TABLE.with_columns(pl.when(~is_lie).then(pl.col(attribute)))
    assert "lie" in blocked(Situation(BENIGN), contents=contents)[code]


def test_a_content_is_given_from_its_first_moment_until_before_its_last():
    times = [NOW - timedelta(microseconds=1), NOW, NOW + timedelta(days=1)]
    ends = {"active_from": NOW, "active_until": NOW + timedelta(days=1)}
    contents = TABLE.with_columns(
        pl.when(pl.col("content_id") == "lie").then(pl.lit(value, dtype=UTC_TIME)).alias(name)
        for name, value in ends.items()
    )
    found = shield(*(Situation(BENIGN, at=time) for time in times), contents=contents)
    assert found.by_code[INACTIVE].tolist() == [
        [name == "lie" and late for name in IDS] for late in (True, False, True)
    ]


def test_the_reasons_of_a_content_are_all_that_block_it():
    found = shield(Situation({"age": 17.0, "fall_risk": True, "mood": 1.0}, last="walk", in_a_row=2, minutes=40))
    assert found.reasons(0, IDS.index("walk")) == ("S002", "S003", "S004", IN_A_ROW, MINUTES)
    assert found.reasons(0, IDS.index("rest")) == ()


def test_without_rules_and_caps_everything_is_eligible():
    found = shield(Situation({}, last="lie", in_a_row=9, minutes=999), therapy=therapy_with({}, {}))
    assert found.eligible.all()
    assert not found.by_code


@pytest.mark.parametrize("rule", ["level > 7", "age > 60", "content_id = 'lie'", "mood IS NULL"])
def test_a_rule_may_look_at_the_content_alone_or_at_the_situation_alone(rule):
    found = shield(Situation(BENIGN), Situation({"age": 70.0}), therapy=therapy_with({"S001": rule}, {}))
    expected = {
        "level > 7": [["count", "maze"], ["count", "maze"]],
        "age > 60": [[], ["count", "lie", "maze", "walk"]],
        "content_id = 'lie'": [["lie"], ["lie"]],
        "mood IS NULL": [[], ["count", "lie", "maze", "walk"]],
    }[rule]
    eligible = [[IDS[place] for place in np.flatnonzero(~row)] for row in found.eligible]
    assert eligible == expected


situations = st.builds(
    Situation,
    known=st.fixed_dictionaries(
        {
            "age": st.none() | st.sampled_from([17.0, 18.0, 50.0, 85.0, 86.0, float("nan")]),
            "fall_risk": st.none() | st.booleans(),
            "mood": st.none() | st.sampled_from([2.0, 3.0, 4.0]),
        }
    ),
    last=st.none() | st.sampled_from(IDS),
    in_a_row=st.integers(0, 4),
    minutes=st.sampled_from([0, 25, 26, 45, 46]),
    styles=st.sampled_from([(0, 0), (5, 4), (6, 3), (3, 6), (9, 0)]),
)


@given(several=st.lists(situations, min_size=1, max_size=6))
def test_one_decision_is_shielded_as_among_many_and_the_safe_default_never_blocked(several):
    together = shield(*several)
    default = IDS.index("rest")
    for place, situation in enumerate(several):
        alone = shield(situation)
        assert np.array_equal(alone.eligible[0], together.eligible[place])
        for content in range(len(IDS)):
            assert alone.reasons(0, content) == together.reasons(place, content)
            assert bool(alone.reasons(0, content)) != alone.eligible[0, content]
    assert together.eligible[:, default].all()
