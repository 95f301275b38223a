"""What a rule can tell of a number: answers kept by threshold are those worked out anew."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posology.safety import RecentDoses, Shield
from posology.tables import catalogue_of
from posology.therapy import Therapy
from posology.thresholds import side_of, thresholds_of

NOW = datetime(2026, 1, 1, 9, tzinfo=UTC)
CONTENTS = [{"content_id": name, "level": level} for name, level in (("rest", 0), ("walk", 2.5), ("maze", 9))]


@pytest.mark.parametrize(
    ("rule", "thresholds"),
    [
        ("age > 85", [85.0]),
        ("level > 7 AND (age <= 85.5 OR age = 3)", [3.0, 85.5]),
        ("CASE WHEN age < 1 THEN level > 7 ELSE age >= 20 AND level > 3 END", None),
        ("CASE WHEN age < 1 AND age != 4 THEN TRUE END", [1.0, 4.0]),
        ("level > 7 AND name = 'age > 3'", []),
        ("age + 1 > 3", None),
        ("2 * age > 3", None),
        ("age > 3 + 1", None),
        ("age > level", None),
        ("age > 3e1", None),
        ("age > -3", None),
        ("age IS NULL OR age > 3", None),
        ("level BETWEEN 1 AND age > 3", None),
        ('"age" > 3', None),
        ("AGE > 3 OR age > 4", None),
        ("abs(age) > 3", None),
        ("NOT age > 3", None),
    ],
)
def test_only_plain_comparisons_have_thresholds(rule, thresholds):
    assert thresholds_of("age", [rule]) == thresholds


def test_the_thresholds_of_several_rules_are_all_of_them_or_none():
    assert thresholds_of("age", ["age > 5", "level > 3", "age < 1 OR age > 5"]) == [1.0, 5.0]
    assert thresholds_of("age", ["age > 5", "age * 2 > 3"]) is None


def test_a_side_is_below_at_or_above():
    assert [side_of(value, [1.0, 5.0]) for value in (0, 1, 3, 5.0, 9, None, float("nan"))] == [
        0,
        1,
        2,
        3,
        4,
        None,
        None,
    ]


comparisons = st.builds(
    "{} {} {}".format,
    st.sampled_from(["age", "mood", "level"]),
    st.sampled_from(["<", "<=", ">", ">=", "=", "<>", "!="]),
    st.sampled_from(["0", "2", "2.5", "3", "mood", "level + 1", "-1"]),
)
terms = comparisons | st.sampled_from(
    ["mood IS NULL", "age BETWEEN 2 AND 3", "age IN (2, 3)", "alone", "content_id = 'walk'", "COALESCE(mood, 2) > 2"]
)
rules = st.recursive(
    terms,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR"]), inner)
        | st.builds("(NOT {})".format, inner)
        | st.builds("(CASE WHEN {} THEN {} ELSE {} END)".format, inner, inner, inner)
    ),
    max_leaves=4,
)
numbers = st.none() | st.sampled_from([float("nan"), -0.0, 0.0, 1.0, 2.0, 2.2, 2.5, 2.7, 3.0, 3.5])
situations = st.fixed_dictionaries({"age": numbers, "mood": numbers, "alone": st.none() | st.booleans()})


def shield_with(forbidden: list[str]) -> Shield:
    number: dict[str, Any] = {"kind": "number"}
    told = {
        "name": "calm",
        "title": "Walks",
        "version": 1,
        "user": {"age": number, "alone": {"kind": "boolean"}},
        "context": {"mood": number},
        "content": {"level": number},
        "feedback": {"columns": {"score": number}, "value": "score", "due_hours": 24, "missing": None},
        "safety": {
            "safe_default": "rest",
            "rules": [{"code": f"S00{nth}", "forbid": rule, "because": "test"} for nth, rule in enumerate(forbidden)],
        },
        "objective": "feedback",
        "exploration": {"floor": 0.02, "temperature": 0.1},
        "catalogue": CONTENTS,
    }
    therapy = Therapy.model_validate(told)
    return Shield(therapy, catalogue_of(therapy))


@settings(max_examples=60)
@given(forbidden=st.lists(rules, min_size=1, max_size=3), several=st.lists(situations, min_size=2, max_size=12))
def test_one_situation_after_the_other_is_answered_as_all_at_once(forbidden, several):
    shield = shield_with(forbidden)
    schema = {"age": pl.Float64, "mood": pl.Float64, "alone": pl.Boolean}
    frame = pl.DataFrame(several, schema=schema).with_columns(decided_at=pl.lit(NOW))
    together = shield.blocks(frame, RecentDoses.none(len(several), shield.therapy))
    for place, situation in enumerate(several):
        nothing = RecentDoses.none(1, shield.therapy)
        alone = shield.blocks_of_one(np.datetime64(NOW.replace(tzinfo=None), "us"), situation, nothing)
        np.testing.assert_array_equal(alone.eligible[0], together.eligible[place])
        for content in range(len(CONTENTS)):
            assert alone.reasons(0, content) == together.reasons(place, content)
