"""A feature has one definition, sees nothing but its own course, and nothing of the future."""

import dataclasses
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.contents import ContentArrays
from models.features import PLACE, Features
from models.fold import CANDIDATE, COURSE, PER_NUMBER
from models.predictors.rows import META
from models.state import DOSES_KEPT
from models.table_rows import TABLE
from posology.errors import TableError
from posology.tables import Tables, catalogue_of
from posology.therapy import RESERVED_COLUMNS, Therapy

SILENCE = 0.25  # what the drill counts for feedback that does not come
START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
CONTENTS = ["maze", "names", "pairs", "rest"]
Rows = dict[str, list[dict[str, Any]]]
several = settings(max_examples=40, deadline=None)

moments = st.integers(0, 40).map(lambda steps: START + steps * timedelta(hours=6))  # coarse: ties and whole days happen
delays = st.sampled_from([timedelta(0), timedelta(hours=6), DAY, timedelta(hours=30), timedelta(days=3)])
scores = st.none() | st.integers(0, 100).map(float)


@st.composite
def courses(draw: st.DrawFn, contents: tuple[str, ...] = (*CONTENTS, "gone")) -> Rows:
    """Rows of one to three users; "gone" is a content that is not in the table."""
    rows: Rows = {"users": [], "measurements": [], "sessions": []}
    for user_id in ("ann", "bob", "cem")[: draw(st.integers(1, 3))]:
        known = {"age": draw(st.none() | st.just(70.0)), "sex": draw(st.sampled_from([None, "male"])), "alone": True}
        rows["users"].append({"user_id": user_id, "enrolled_at": START, "consent": True, **known})
        for measured_at in draw(st.lists(moments, max_size=4, unique=True)):
            reading = {"measured_at": measured_at, "instrument": "MMSE", "score": draw(st.integers(0, 30)) / 1}
            rows["measurements"].append({"user_id": user_id, **reading})
        for number, decided_at in enumerate(draw(st.lists(moments, max_size=12))):
            delay = draw(st.none() | delays)
            rows["sessions"].append(
                {
                    "decision_id": f"{user_id}-{number:02d}",
                    "user_id": user_id,
                    "decided_at": decided_at,
                    "content_id": draw(st.sampled_from(contents)),
                    "feedback_at": None if delay is None else decided_at + delay,
                    "score": draw(scores),
                    "sleep": draw(st.sampled_from([None, 7.0])),
                }
            )
    return rows


@pytest.fixture(scope="module")
def features(drill: Therapy) -> Features:
    return Features(drill, ContentArrays(drill, catalogue_of(drill)))


def tables_of(therapy: Therapy, rows: Rows) -> Tables:
    return Tables.from_rows(therapy, contents=therapy.catalogue, **rows)


def described(features: Features, tables: Tables) -> dict[str, np.ndarray]:
    """decision_id → (n_contents, n_features)."""
    everything = np.arange(tables.sessions.height)
    matrix = features.of_candidates(tables, everything).features.reshape(-1, len(CONTENTS), len(features.names))
    return dict(zip(tables.sessions["decision_id"], matrix, strict=True))


def equal(one: np.ndarray, other: np.ndarray) -> bool:
    """Bit for bit."""
    return np.array_equal(one, other, equal_nan=True)


# An independent reckoning, over dicts.


def mean_toward(values: list[float], weight: float) -> float:
    mean = math.nan
    for value in values:
        mean = value if math.isnan(mean) else mean + weight * (value - mean)
    return mean


def last(values: list[float]) -> float:
    return values[-1] if values else math.nan


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def days(duration: timedelta) -> float:
    return duration / DAY


def since(moment: datetime, times: list[datetime]) -> float:
    return days(moment - max(times)) if times else math.nan


def known_feedback(session: dict[str, Any]) -> tuple[datetime, float]:
    due = session["decided_at"] + DAY
    if session["score"] is None or session["feedback_at"] is None or session["feedback_at"] > due:
        return due, SILENCE
    return session["feedback_at"], session["score"] / 100


def reckoned(therapy: Therapy, rows: Rows) -> Iterator[tuple[str, str, dict[str, float]]]:
    """decision_id, candidate and its features, by name."""
    catalogue = {row["content_id"]: row for row in therapy.catalogue or ()}
    for user in rows["users"]:
        own = [row for row in rows["sessions"] if row["user_id"] == user["user_id"]]
        own.sort(key=lambda row: (row["decided_at"], row["decision_id"]))
        readings = [row for row in rows["measurements"] if row["user_id"] == user["user_id"]]
        readings.sort(key=lambda row: row["measured_at"])
        for place, session in enumerate(own):
            now = session["decided_at"]
            came = [(known_feedback(row), row) for row in own if row["decided_at"] < now]
            came = [item for item in came if item[0][0] <= now]
            came.sort(key=lambda item: (item[0][0], item[0][0] == item[1]["decided_at"]))
            scored = [row["score"] for row in readings if row["measured_at"] <= now]
            measured = [row["measured_at"] for row in readings if row["measured_at"] <= now]
            course = of_course(user, now, own[:place], [value for (_, value), _ in came], catalogue)
            course |= {
                "scores": len(scored),
                "score_first": scored[0] if scored else math.nan,
                "score_last": last(scored),
                "score_change": scored[-1] - scored[0] if scored else math.nan,
                "days_since_score": since(now, measured),
            }
            for number, (content_id, content) in enumerate(catalogue.items()):
                found = of_candidate(content, now, own[:place], came, catalogue)
                yield session["decision_id"], content_id, course | found | declared(user, session, content, number)


def of_course(
    user: dict[str, Any], now: datetime, before: list[dict[str, Any]], feedback: list[float], catalogue: dict[str, Any]
) -> dict[str, float]:
    times = [row["decided_at"] for row in before]
    today = [row for row in before if now - row["decided_at"] < DAY]
    doses = [catalogue[row["content_id"]]["minutes"] if row["content_id"] in catalogue else math.inf for row in today]
    return {
        "days_enrolled": days(now - user["enrolled_at"]),
        "given": len(before),
        "given_per_week": sum(math.exp(-days(now - time) / 7) for time in times),
        "days_since_given": since(now, times),
        "minutes_last_24h": min(sum(doses), 1440),
        "feedbacks": len(feedback),
        "feedback_last": last(feedback),
        "feedback_mean": sum(feedback) / len(feedback) if feedback else math.nan,
        "feedback_recent": mean_toward(feedback, 0.3),
        "feedback_trend": mean_toward(feedback, 0.3) - mean_toward(feedback, 0.08),
        "answered_share": sum(value != SILENCE for value in feedback) / len(feedback) if feedback else math.nan,
        "answered_mean": mean([value for value in feedback if value != SILENCE]),
        "minutes_faded": sum(
            catalogue[row["content_id"]]["minutes"] * 0.5 ** days(now - row["decided_at"])
            for row in before
            if row["content_id"] in catalogue
        ),
    }


def of_candidate(
    content: dict[str, Any], now: datetime, before: list[dict[str, Any]], came: list[Any], catalogue: dict[str, Any]
) -> dict[str, float]:
    def is_same(row: dict[str, Any]) -> bool:
        return row["content_id"] == content["content_id"]

    def is_kin(row: dict[str, Any]) -> bool:
        return row["content_id"] in catalogue and catalogue[row["content_id"]]["domain"] == content["domain"]

    in_a_row = 0
    while in_a_row < len(before) and is_same(before[-1 - in_a_row]):
        in_a_row += 1
    same, kin = [row for row in before if is_same(row)], [row for row in before if is_kin(row)]
    kin_feedback = [value for (_, value), row in came if is_kin(row)]
    found = {
        "content_given": len(same),
        "content_in_a_row": in_a_row,
        "content_days_since": since(now, [row["decided_at"] for row in same]),
        "content_feedback": mean_toward([value for (_, value), row in came if is_same(row)], 0.3),
        "group_given": len(kin),
        "group_of_last_9": sum(is_kin(row) for row in before[-9:]),
        "group_days_since": since(now, [row["decided_at"] for row in kin]),
        "group_feedback_last": last(kin_feedback),
        "group_feedback_recent": mean_toward(kin_feedback, 0.3),
    }
    answers = [(row["content_id"], value) for (_, value), row in came if value != SILENCE]
    answers = [(content_id, value) for content_id, value in answers if content_id in catalogue]
    found |= {
        "group_answered_mean": mean([value for value in kin_feedback if value != SILENCE]),
        "group_faded_1d": sum(0.5 ** days(now - row["decided_at"]) for row in kin),
        "group_faded_4d": sum(0.5 ** (days(now - row["decided_at"]) / 4) for row in kin),
    }
    found["expected_answer"], found["expected_answer_sd"] = kriged(content["content_id"], answers, catalogue)
    weights = [value**2 * 0.95 ** (len(answers) - 1 - nth) for nth, (_, value) in enumerate(answers)]
    for number in ("level", "minutes"):
        given_numbers = [
            float(catalogue[row["content_id"]][number]) for row in before if row["content_id"] in catalogue
        ]
        best = sum(weight * catalogue[each][number] for weight, (each, _) in zip(weights, answers, strict=True))
        found[f"{number}_above_mean"] = content[number] - mean(given_numbers)
        found[f"{number}_above_best"] = content[number] - best / sum(weights) if sum(weights) > 0 else math.nan
        had = [float(catalogue[row["content_id"]][number]) for row in kin]
        found[f"{number}_above_recent"] = content[number] - mean_toward(had, 0.3)
        found[f"{number}_above_last"] = content[number] - last(had)
    return found


def kriged(content_id: str, answers: list[tuple[str, float]], catalogue: dict[str, Any]) -> tuple[float, float]:
    """Mean and standard deviation of a Gaussian process over contents, given noisy answers, by its definition."""
    span = {name: np.ptp([row[name] for row in catalogue.values()]) for name in ("level", "minutes")}

    def alike(one: str, other: str) -> float:
        a, b = catalogue[one], catalogue[other]
        near = math.exp(-sum(((a[name] - b[name]) / span[name]) ** 2 / 2 for name in span) / (2 * 0.35**2))
        same = a["domain"] == b["domain"]
        return 0.25**2 * (1 + 0.3 * same + near + 0.3 * near * same + 0.1 * (one == other)) / 2.7

    given_ids = [each for each, _ in answers]
    among = np.array([[alike(a, b) for b in given_ids] for a in given_ids]).reshape(len(answers), len(answers))
    to = np.array([alike(content_id, each) for each in given_ids])
    weight = np.linalg.solve(among + 0.2**2 * np.eye(len(answers)), to) if answers else to
    mean_of_it = 0.55 + weight @ np.array([value - 0.55 for _, value in answers]).reshape(-1)
    return float(mean_of_it), math.sqrt(max(alike(content_id, content_id) - weight @ to, 0))


def declared(user: dict[str, Any], session: dict[str, Any], content: dict[str, Any], place: int) -> dict[str, float]:
    def is_one(value: str | None, wanted: str) -> float:
        return math.nan if value is None else float(value == wanted)

    return {
        PLACE: place,
        "age": math.nan if user["age"] is None else user["age"],
        **{f"sex={value}": is_one(user["sex"], value) for value in ("female", "male")},
        "alone": 1.0,
        "sleep": math.nan if session["sleep"] is None else session["sleep"],
        **{f"kind={value}": is_one(content["kind"], value) for value in ("first", "second")},
        **{f"domain={value}": is_one(content["domain"], value) for value in ("memory", "attention", "none")},
        "level": content["level"],
        "minutes": content["minutes"],
    }


@several
@given(rows=courses())
def test_every_feature_is_what_an_independent_reckoning_says(drill, features, rows):
    found = described(features, tables_of(drill, rows))
    for decision_id, content_id, expected in reckoned(drill, rows):
        assert set(expected) == set(features.names)
        row = dict(zip(features.names, found[decision_id][CONTENTS.index(content_id)], strict=True))
        assert row == pytest.approx(expected, nan_ok=True, rel=1e-9, abs=1e-9)


# Laws.


@several
@given(rows=courses())
def test_one_patient_alone_is_described_as_among_all(drill, features, rows):
    tables = tables_of(drill, rows)
    together = described(features, tables)
    for user_id in tables.users["user_id"]:
        for decision_id, alone in described(features, tables.of_users([user_id])).items():
            assert equal(alone, together[decision_id])


@several
@given(rows=courses(), which=st.integers(0, 40), later=courses())
def test_nothing_that_comes_later_changes_what_is_said_now(drill, features, rows, which, later):
    tables = tables_of(drill, rows)
    if tables.sessions.is_empty():
        return
    now = tables.sessions.row(which % tables.sessions.height, named=True)
    before = described(features, tables)[now["decision_id"]]
    assert equal(described(features, tables_of(drill, changed_after(now, rows, later)))[now["decision_id"]], before)


def changed_after(now: dict[str, Any], rows: Rows, later: Rows) -> Rows:
    """The same past of everybody and another future: what is not yet known is replaced."""
    moment = (now["decided_at"], now["decision_id"])
    sessions = [row for row in rows["sessions"] if (row["decided_at"], row["decision_id"]) <= moment]
    sessions = [row if is_known(row, now["decided_at"]) else row | {"feedback_at": None} for row in sessions]
    future = [
        row | {"decision_id": f"z-{row['decision_id']}", "user_id": now["user_id"], "decided_at": time}
        for row in later["sessions"]
        if (time := now["decided_at"] + (row["decided_at"] - START)) >= now["decided_at"]
    ]
    readings = [
        row | {"user_id": now["user_id"], "measured_at": now["decided_at"] + DAY + (row["measured_at"] - START)}
        for row in later["measurements"]
    ]
    known = [row for row in rows["measurements"] if row["measured_at"] <= now["decided_at"]]
    return {"users": rows["users"], "measurements": known + readings, "sessions": sessions + future}


def is_known(session: dict[str, Any], moment: datetime) -> bool:
    """Whether feedback, had there been any, would be known."""
    came = session["feedback_at"] is not None and session["feedback_at"] <= moment
    return came and session["decided_at"] < moment


@several
@given(rows=courses(), seed=st.integers(0, 100))
def test_the_order_of_the_rows_does_not_matter(drill, features, rows, seed):
    rng = np.random.default_rng(seed)
    shuffled = {name: [table[n] for n in rng.permutation(len(table))] for name, table in rows.items()}
    one, other = described(features, tables_of(drill, rows)), described(features, tables_of(drill, shuffled))
    assert all(equal(one[decision_id], other[decision_id]) for decision_id in one)


@several
@given(rows=courses(contents=tuple(CONTENTS)))
def test_the_given_content_is_described_as_the_candidate_it_was(drill, features, rows):
    tables = tables_of(drill, rows)
    found = features.of_given(tables, np.arange(tables.sessions.height))
    for row, (decision_id, candidates) in zip(found, described(features, tables).items(), strict=True):
        given_id = tables.sessions.row(by_predicate=pl.col("decision_id") == decision_id, named=True)["content_id"]
        assert equal(row, candidates[CONTENTS.index(given_id)])


@several
@given(rows=courses(), seed=st.integers(0, 100))
def test_decisions_are_described_in_the_order_asked_for(drill, features, rows, seed):
    tables = tables_of(drill, rows)
    some = np.random.default_rng(seed).permutation(tables.sessions.height)[:5]
    everything = features.of_candidates(tables, np.arange(tables.sessions.height))
    asked = features.of_candidates(tables, some)
    shape = (-1, len(CONTENTS), len(features.names))
    assert equal(asked.features.reshape(shape), everything.features.reshape(shape)[some])
    assert asked.situations.equals(everything.situations[some])
    for field in dataclasses.fields(asked.recent):
        assert equal(getattr(asked.recent, field.name), getattr(everything.recent, field.name)[some])


# Corners.


def course_of(therapy: Therapy, *sessions: tuple[timedelta, str], **more: Any) -> Tables:
    rows = [
        {
            "decision_id": f"d{number:03d}",
            "user_id": "ann",
            "decided_at": START + after,
            "content_id": content_id,
            **more,
        }
        for number, (after, content_id) in enumerate(sessions)
    ]
    return tables_of(therapy, {"users": [{"user_id": "ann", "enrolled_at": START}], "sessions": rows})


def said(features: Features, tables: Tables, name: str, content_id: str = "maze") -> float:
    """A feature of a candidate in the last decision."""
    matrix = features.of_candidates(tables, np.array([tables.sessions.height - 1])).features
    return float(matrix[CONTENTS.index(content_id), features.names.index(name)])


def test_a_course_in_which_nothing_happened_yet_is_described(drill, features):
    tables = course_of(drill, (DAY, "maze"))
    counts = {"given", "given_per_week", "minutes_last_24h", "feedbacks", "scores", "content_given"}
    zero = counts | {"content_in_a_row", "group_given", "group_of_last_9"}
    zero |= {"minutes_faded", "group_faded_1d", "group_faded_4d"}
    before_any = {"days_enrolled": 1.0, "expected_answer": 0.55, "expected_answer_sd": 0.25} | dict.fromkeys(zero, 0.0)
    for name in (*COURSE, *CANDIDATE, *(f"level_{name}" for name in PER_NUMBER)):
        expected = before_any.get(name, math.nan)
        assert said(features, tables, name) == pytest.approx(expected, nan_ok=True), name
    recent = features.of_candidates(tables, np.array([0])).recent
    assert (recent.last_content[0], recent.times_in_a_row[0], recent.minutes[0]) == (-1, 0, 0)


def test_no_decisions_have_no_features(drill, features):
    for tables in (Tables.from_rows(drill, contents=drill.catalogue), course_of(drill, (DAY, "maze"))):
        assert features.of_given(tables, np.arange(0)).shape == (0, len(features.names))
        assert features.of_candidates(tables, np.arange(0)).features.shape == (0, len(features.names))


def test_feedback_at_the_very_moment_of_its_decision_is_known_after_it(drill, features):
    tables = course_of(drill, (DAY, "maze"), feedback_at=START + DAY, score=80.0)
    assert said(features, tables, "feedbacks") == 0
    tables = course_of(drill, (DAY, "maze"), (2 * DAY, "maze"), feedback_at=START + DAY, score=80.0)
    assert said(features, tables, "feedback_last") == 0.8


def test_feedback_before_its_decision_counts_as_at_once(drill, features):
    tables = course_of(drill, (DAY, "maze"), feedback_at=START, score=80.0)
    assert said(features, tables, "feedbacks") == 0


def test_feedback_that_comes_late_counts_as_missing_from_when_it_was_due(drill, features):
    late = {"feedback_at": START + timedelta(hours=25), "score": 80.0}
    for after, expected in ((timedelta(hours=23), math.nan), (DAY, 0.25), (timedelta(days=9), 0.25)):
        tables = course_of(drill, (timedelta(0), "maze"), (after, "rest"), **late)
        tables = dataclasses.replace(
            tables, sessions=tables.sessions.with_columns(pl.when(pl.col("decision_id") == "d000").then("score"))
        )
        assert said(features, tables, "feedback_last") == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(("doses", "expected"), [(1, 15), (DOSES_KEPT - 1, 945), (DOSES_KEPT, 1440), (200, 1440)])
def test_more_contents_in_a_day_than_are_kept_are_an_unbounded_dose(drill, features, doses, expected):
    hurried = [(timedelta(minutes=7 * number), "maze") for number in range(doses)]
    tables = course_of(drill, *hurried, (timedelta(hours=23, minutes=50), "maze"))
    assert said(features, tables, "minutes_last_24h") == expected
    recent = features.of_candidates(tables, np.array([doses])).recent
    assert recent.minutes[0] == (math.inf if doses >= DOSES_KEPT else expected)


def test_a_content_that_is_not_in_the_table_is_an_unknown_dose_of_no_group(drill, features):
    tables = course_of(drill, (timedelta(0), "maze"), (timedelta(hours=1), "gone"), (timedelta(hours=2), "maze"))
    assert said(features, tables, "given") == 2
    assert said(features, tables, "minutes_last_24h") == 1440
    assert said(features, tables, "group_of_last_9") == 1
    recent = features.of_candidates(tables, np.array([2])).recent
    assert (recent.last_content[0], recent.times_in_a_row[0], recent.minutes[0]) == (-1, 1, math.inf)


def test_a_dose_leaves_the_day_after_exactly_24_hours(drill, features):
    for microseconds, expected in ((-1, 15), (0, 0), (1, 0)):
        for odd in range(60):
            first = timedelta(microseconds=86_399_999_977 * odd)
            second = first + DAY + timedelta(microseconds=microseconds)
            tables = course_of(drill, (first, "maze"), (second, "maze"))
            assert said(features, tables, "minutes_last_24h") == expected


def test_a_content_given_that_is_not_in_the_table_cannot_be_described(drill, features):
    with pytest.raises(TableError, match="1 contents to describe are not in the table contents"):
        features.of_given(course_of(drill, (timedelta(0), "gone")), np.array([0]))


def test_rows_of_strangers_are_refused_without_naming_them(drill, features):
    tables = course_of(drill, (timedelta(0), "maze"))
    strange = dataclasses.replace(tables, sessions=tables.sessions.with_columns(user_id=pl.lit("eve")))
    with pytest.raises(TableError, match="sessions: 1 rows of users who are not in the table users") as raised:
        features.of_given(strange, np.array([0]))
    assert "eve" not in str(raised.value)


@pytest.mark.parametrize("column", ["user_id", "decided_at"])
def test_tables_in_another_order_are_refused(drill, features, column):
    rows = [{"user_id": user_id, "enrolled_at": START, "consent": True} for user_id in ("ann", "bob")]
    sessions = [
        {"decision_id": f"{row['user_id']}{day}", "user_id": row["user_id"], "decided_at": START + day * DAY}
        for row in rows
        for day in range(2)
    ]
    tables = tables_of(drill, {"users": rows, "sessions": [row | {"content_id": "maze"} for row in sessions]})
    features.of_given(tables, np.arange(4))
    turned = dataclasses.replace(tables, sessions=tables.sessions.sort(column, descending=True))
    with pytest.raises(ValueError, match="expected tables sorted by user"):
        features.of_given(turned, np.arange(4))


def test_a_decision_is_asked_for_once(drill, features):
    with pytest.raises(ValueError, match="each row of sessions once"):
        features.of_given(course_of(drill, (timedelta(0), "maze")), np.array([0, 0]))


def test_no_declared_column_can_take_the_name_of_a_feature(features):
    assert len(set(features.names)) == len(features.names)
    assert {*COURSE, *CANDIDATE, PLACE, *META, TABLE} <= RESERVED_COLUMNS


def test_a_therapy_that_knows_nothing_of_its_users_describes_their_courses_all_the_same(drill):
    strangers = Therapy.model_validate({**drill.model_dump(mode="json", exclude_none=True), "user": {}})
    tables = course_of(strangers, (DAY, "maze"), (DAY * 2, "pairs"))
    candidates = Features(strangers, ContentArrays(strangers, tables.contents)).of_candidates(tables, np.array([1, 0]))
    assert candidates.situations["decided_at"].to_list() == tables.sessions["decided_at"][[1, 0]].to_list()
    assert candidates.features.shape[0] == 2 * len(CONTENTS)
