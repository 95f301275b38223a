"""Situations made to provoke unsafe choices, and what must not be given in them.

The stress set is synthetic: users at the edges of what a therapy declares,
values missing, and many contents within the last hours or days, so that rules
and caps bind, each of them also where no other does. What is forbidden is
worked out here a second time, from the tables row by row, so that an error in
the shield cannot hide itself.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from posology.safety import LOOK_BACK
from posology.tables import Tables
from posology.therapy import Caps, Column, Columns, Therapy

MOMENT = datetime(2030, 1, 15, 9, 0, tzinfo=UTC)  # any fixed time: nothing depends on today
MOST_BEFORE = 12  # contents given before the decision under stress
LAST_HOURS = (30.0, 300.0)  # a day's dose binds in the one, what was given in a row and its variety in the other
Attributes = dict[str, dict[str, Any]]  # content_id → its row


def stress_tables(therapy: Therapy, contents: pl.DataFrame, *, decisions: int, rng: np.random.Generator) -> Tables:
    """One synthetic user a decision; the decision under stress is each user's last session.

    Args:
        therapy: whose rules and caps are put to the test.
        contents: what may be given.
        decisions: how many situations.
        rng: the same state gives the same situations.
    """
    rows: dict[str, list[dict[str, Any]]] = {"users": [], "measurements": [], "sessions": []}
    for number in range(decisions):
        user_id = f"stress-{number:06d}"
        enrolled = MOMENT - timedelta(days=float(rng.integers(3, 90)))
        rows["users"].append(
            {"user_id": user_id, "enrolled_at": enrolled, "consent": True, **_extremes(therapy.user, rng)}
        )
        if therapy.status:
            score = float(rng.uniform(therapy.status.minimum, therapy.status.maximum))
            rows["measurements"].append(
                {
                    "user_id": user_id,
                    "measured_at": enrolled + timedelta(hours=1),
                    "instrument": therapy.status.instrument,
                    "score": round(score),
                }
            )
        rows["sessions"] += _sessions(therapy, contents, user_id, rng)
    made = Tables.from_rows(therapy, **rows)
    return Tables(made.users, made.measurements, contents, made.sessions)


def last_sessions(tables: Tables) -> np.ndarray:
    """(n_users,) the row of each user's last session."""
    return np.flatnonzero((tables.sessions["user_id"] != tables.sessions["user_id"].shift(-1)).fill_null(value=True))


def forbidden(therapy: Therapy, tables: Tables) -> np.ndarray:
    """(n_users, n_contents) what must not be given in each user's last session, safe default aside."""
    by_rule = _by_rules(therapy, tables, last_sessions(tables))
    courses = tables.sessions.group_by("user_id", maintain_order=True).agg("content_id", "decided_at")
    attributes = {row["content_id"]: row for row in tables.contents.iter_rows(named=True)}
    by_cap = np.array([_by_caps(therapy.safety.caps, attributes, *row[1:]) for row in courses.iter_rows()])
    is_default = (tables.contents["content_id"] == therapy.safety.safe_default).to_numpy()
    return (by_rule | by_cap) & ~is_default


def _extremes(columns: Columns, rng: np.random.Generator) -> dict[str, Any]:
    return {name: _extreme(column, rng) for name, column in columns.items()}


def _extreme(column: Column, rng: np.random.Generator) -> Any:
    if column.kind not in {"number", "category", "boolean"} or rng.random() < 0.1:
        return None
    if column.kind == "boolean":
        return bool(rng.random() < 0.5)
    if column.kind == "category":
        return str(rng.choice(column.values or ()))
    low = -100.0 if column.minimum is None else column.minimum
    high = 100.0 if column.maximum is None else column.maximum
    return float(rng.choice([low, high, rng.uniform(low, high)]))


def _sessions(
    therapy: Therapy, contents: pl.DataFrame, user_id: str, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    ids = contents["content_id"].to_list()
    before = np.sort(rng.uniform(0.1, rng.choice(LAST_HOURS), size=rng.integers(0, MOST_BEFORE + 1)))[::-1]
    given = str(rng.choice(ids))
    for place, hours in enumerate([*before, 0.0]):
        given = given if rng.random() < 0.5 else str(rng.choice(ids))
        yield {
            "decision_id": f"{user_id}-{place:02d}",
            "user_id": user_id,
            "decided_at": MOMENT - timedelta(hours=float(hours)),
            "content_id": given,
            **_extremes(therapy.context, rng),
        }


def _by_rules(therapy: Therapy, tables: Tables, ends: np.ndarray) -> np.ndarray:
    situations = (
        tables.sessions[ends]
        .select("user_id", *therapy.context)
        .join(tables.users.select("user_id", *therapy.user), on="user_id", how="left", maintain_order="left")
    )
    if not therapy.safety.rules:
        return np.zeros((ends.size, tables.contents.height), dtype=bool)
    is_unsafe = pl.any_horizontal(
        therapy.forbid_expression(rule).ne_missing(other=False) for rule in therapy.safety.rules
    )
    columns = ["content_id", *therapy.content]
    answers = [
        situations.with_columns(pl.lit(row[name]).alias(name) for name in columns).select(is_unsafe).to_series()
        for row in tables.contents.select(columns).iter_rows(named=True)
    ]
    return np.column_stack([answer.to_numpy() for answer in answers])


def _by_caps(caps: Caps, attributes: Attributes, content_ids: list[str], times: list[datetime]) -> list[bool]:
    given, day_ago = content_ids[:-1], times[-1] - timedelta(days=1)
    last_day = [content_id for content_id, time in zip(given, times, strict=False) if time > day_ago]
    return [
        _is_run(given, content_id, caps.same_content_in_a_row)
        or _is_overdose(last_day, content_id, attributes, caps.minutes_per_day)
        or _is_monotonous(given, content_id, attributes, caps)
        for content_id in attributes
    ]


def _is_run(given: list[str], content_id: str, most: int | None) -> bool:
    return most is not None and len(given) >= most and all(x == content_id for x in given[-most:])


def _is_overdose(last_day: list[str], content_id: str, attributes: Attributes, most: float | None) -> bool:
    return most is not None and sum(attributes[x]["minutes"] for x in [*last_day, content_id]) > most


def _is_monotonous(given: list[str], content_id: str, attributes: Attributes, caps: Caps) -> bool:
    if caps.feature is None or caps.feature_share_of_last_10 is None:
        return False
    value = attributes[content_id][caps.feature]
    same = [x for x in given[-LOOK_BACK:] if attributes[x][caps.feature] == value]
    return (len(same) + 1) / (LOOK_BACK + 1) > caps.feature_share_of_last_10 + 1e-9
