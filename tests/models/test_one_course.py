"""A course that grew is described, bit for bit, as the same course read anew and as among many."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from catboost import CatBoostRegressor
from hypothesis import given, settings
from hypothesis import strategies as st

from models.belief import NOISE_SD, RANK
from models.contents import ContentArrays
from models.features import Features
from models.one_course import OneCourse
from models.prior import Prior
from models.prior_fitting import OF_ANSWERS
from models.usual import Usual
from posology.tables import Tables, catalogue_of
from posology.therapy import Therapy

START = datetime(2026, 1, 1, tzinfo=UTC)
LATEST = 40  # in steps of six hours
CONTENTS = ("maze", "names", "pairs", "rest", "gone")  # the last is not in the table

moments = st.integers(0, LATEST).map(lambda steps: START + steps * timedelta(hours=6))  # coarse: ties happen
decided = st.tuples(st.just("decide"), moments, st.sampled_from(CONTENTS), st.sampled_from([None, 6.0, 7.0]))
answered = st.tuples(st.just("answer"), st.integers(0, 20), st.integers(0, 30), st.integers(0, 100))
measured = st.tuples(st.just("measure"), moments, st.integers(0, 30))
aged = st.tuples(st.just("age"), st.sampled_from([None, 60.0, 70.0]))
followed = st.tuples(st.just("follow"), st.sampled_from(CONTENTS), st.sampled_from([6.5, 7.0]))
steps = st.lists(decided | followed | answered | measured | aged, min_size=1, max_size=14)


@pytest.fixture(scope="module")
def features(drill: Therapy) -> Features:
    """With a prior that looks at all it may look at."""
    contents, rng = ContentArrays(drill, catalogue_of(drill)), np.random.default_rng(4)
    names = tuple(name for name in Features(drill, contents).names if not any(part in name for part in OF_ANSWERS))
    rows = rng.uniform(0, 10, (400, len(names)))
    usual = CatBoostRegressor(iterations=40, depth=4, random_seed=1, allow_writing_files=False, verbose=False)
    loadings = rng.normal(0, 0.2, (contents.table.height, RANK))
    prior = Prior(usual.fit(rows, rng.random(400)), names, tuple(contents.table["content_id"]), loadings, NOISE_SD**2)
    return Features(drill, contents, prior=prior)


class Grown:
    """Rows of one user, and what a decision made of them."""

    def __init__(self, features: Features) -> None:
        self.features, self.usual = features, Usual()
        self.user: dict[str, Any] = {"user_id": "ann", "enrolled_at": START, "consent": True, "age": 60.0}
        self.asked_at = START
        self.readings: list[dict[str, Any]] = []
        self.sessions: list[dict[str, Any]] = []

    def take(self, step: tuple[Any, ...]) -> None:
        kind, *told = step
        if kind == "decide":
            self.sessions.append(self.session(*told))
        elif kind == "follow":  # what was decided last is given
            self.sessions.append(self.session(self.asked_at, *told))
        elif kind == "measure":
            reading = {"user_id": "ann", "measured_at": told[0], "instrument": "MMSE", "score": float(told[1])}
            if told[0] not in [each["measured_at"] for each in self.readings]:
                self.readings.append(reading)
        elif kind == "age":
            self.user["age"] = told[0]
        elif told[0] < len(self.sessions):
            row = self.sessions[told[0]]
            row |= {"feedback_at": row["decided_at"] + timedelta(hours=told[1]), "score": float(told[2])}

    def session(self, decided_at: datetime, content_id: str, sleep: float | None) -> dict[str, Any]:
        name = f"{len(self.sessions):02d}"
        made = {"decision_id": name, "user_id": "ann", "decided_at": decided_at, "content_id": content_id}
        return made | {"sleep": sleep, "feedback_at": None, "score": None}

    def tables(self, *more: dict[str, Any]) -> Tables:
        therapy, sessions = self.features.therapy, [*self.sessions, *more]
        return Tables.from_rows(
            therapy,
            contents=therapy.catalogue,
            users=[self.user],
            measurements=self.readings,
            sessions=sorted(sessions, key=lambda row: (row["decided_at"], row["decision_id"])),
        )

    def assert_same(self, now: datetime) -> None:
        """As it grew, as read anew, and as one of the decisions of a table."""
        self.asked_at = now
        anew, context = OneCourse.of(self.features.therapy, self.tables()), {"sleep": 6.5}
        grown = replace(anew, usual=self.usual)
        found, recent = self.features.of_decision(grown, now, context)
        expected, recent_anew = self.features.of_decision(anew, now, context)
        assert found.tobytes() == expected.tobytes()
        known = self.tables(self.session(now, "rest", 6.5) | {"decision_id": "zz"})
        row = known.sessions["decision_id"].to_list().index("zz")
        candidates = self.features.of_candidates(known, np.array([row]))
        np.testing.assert_array_equal(found, candidates.features)
        for name, value in vars(recent).items():
            np.testing.assert_array_equal(value, getattr(recent_anew, name))
            np.testing.assert_array_equal(value, getattr(candidates.recent, name))


@settings(max_examples=60)
@given(steps=steps, data=st.data())
def test_a_decision_of_a_course_that_grew_in_any_order_is_the_same(features, steps, data):
    grown = Grown(features)
    for step in [("decide", START, "maze", 6.5), *steps]:
        grown.take(step)
        grown.assert_same(data.draw(moments))


def test_only_what_was_answered_since_is_looked_at_again(features, monkeypatch):
    rows: list[int] = []
    expect = Prior.expect

    def counted(prior: Prior, matrix: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
        rows.append(len(matrix))
        return expect(prior, matrix, names)

    grown, therapy = Grown(features), features.therapy
    for day in range(8):
        grown.take(("decide", START + timedelta(days=day), "maze", 7.0))
        grown.take(("answer", day, 1, 50))
    course = OneCourse.of(therapy, grown.tables())
    features.of_decision(course, START + timedelta(days=8), {"sleep": 7.0})
    grown.take(("decide", START + timedelta(days=8), "pairs", 7.0))
    grown.take(("answer", 8, 1, 60))
    monkeypatch.setattr(Prior, "expect", counted)
    later = replace(OneCourse.of(therapy, grown.tables()), usual=course.usual)
    features.of_decision(later, START + timedelta(days=9), {"sleep": 7.0})
    assert rows == [features.contents.table.height]
    grown.take(("decide", START + timedelta(days=9), "pairs", 6.0))  # in another context than was told
    grown.take(("answer", 9, 1, 60))
    latest = replace(OneCourse.of(therapy, grown.tables()), usual=later.usual)
    features.of_decision(latest, START + timedelta(days=10), {"sleep": 7.0})
    assert rows[1:] == [1, features.contents.table.height]
