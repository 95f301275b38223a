"""Choosing: predictions, shield and policy in one step, for one decision or for many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl

from models.one_course import OneCourse, microseconds
from models.policies.decisions import Decisions
from models.policies.fixed_schedule import FixedSchedule
from models.release import Release
from posology.errors import NotFound, first_few
from posology.safety import Blocks
from posology.tables import Tables, schema_of

NOT_OFFERED = "NOT_OFFERED"
NO_FIRST_STATUS = "NO_FIRST_STATUS"
NOTHING_ELSE = "NOTHING_ELSE"
PENDING = "\U0010ffff"  # sorts after every decision_id: the decision being made


class Interval(NamedTuple):
    """A prediction: mean and the ends of its interval."""

    mean: float
    low: float
    high: float


class Ranked(NamedTuple):
    """One content in one decision."""

    content_id: str
    probability: float
    eligible: bool
    feedback: Interval | None
    status: Interval | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """What was chosen, from which ranking (most probable first)."""

    content_id: str
    probability: float
    source: Literal["model", "schedule", "safe_default"]
    reasons: tuple[str, ...]
    seed: int
    ranking: tuple[Ranked, ...]


@dataclass(frozen=True)
class Scored:
    """Many decisions scored: each array (n, n_contents) or (n, n_contents, 3)."""

    probability: np.ndarray
    feedback: np.ndarray | None
    status: np.ndarray | None
    blocks: Blocks


def score(release: Release, tables: Tables, sessions: np.ndarray, offered: np.ndarray | None = None) -> Scored:
    """Predictions, shield and the policy's probabilities at rows of the sessions table.

    The shield stands before the policy, as a mask, and after it: what is
    blocked has no chance whatever the policy says. A patient never measured
    is given the safe default where the therapy has a status.

    Args:
        release: what decides.
        tables: courses; a decision sees only what was known before it.
        sessions: (n,) rows of ``tables.sessions``.
        offered: (n, n_contents) contents the caller allows; all when None.
            The safe default is always offered.
    """
    features, situations, recent = release.features.of_candidates(tables, sessions)
    shield = _also_blocked(release, release.shield.blocks(situations, recent), offered)
    return _scored(release, replace(tables, contents=release.contents), sessions, features, shield)


def _score_one(
    release: Release, course: OneCourse, now: datetime, context: Mapping[str, Any], offered: np.ndarray | None
) -> Scored:
    features, recent = release.features.of_decision(course, now, context)
    shield = release.shield.blocks_of_one(np.datetime64(microseconds(now), "us"), {**course.user, **context}, recent)
    return _scored(release, release.nobody, np.zeros(1, dtype=int), features, _also_blocked(release, shield, offered))


def _scored(release: Release, tables: Tables, sessions: np.ndarray, features: np.ndarray, shield: Blocks) -> Scored:
    decisions = Decisions(
        therapy=release.therapy,
        tables=tables,
        sessions=sessions,
        eligible=shield.eligible,
        features=features.reshape(*shield.eligible.shape, len(release.features.names)),
        names=release.features.names,
    )
    feedback, status = (
        decisions.predicted(predictor) if predictor else None for predictor in (release.feedback, release.status)
    )
    return Scored(_shielded(release, decisions), feedback, status, shield)


def _shielded(release: Release, decisions: Decisions) -> np.ndarray:
    """(n, n_contents) the policy's probabilities after the shield: what it took away is the safe default's."""
    proposed, is_default = release.policy.probabilities(decisions), release.is_safe_default
    blocked = np.where(decisions.eligible, 0.0, proposed).sum(axis=1, keepdims=True)
    allowed = np.where(decisions.eligible, proposed, 0.0) + blocked * is_default
    if release.therapy.status is None:
        return allowed
    return np.where(decisions.feature("scores") > 0, allowed, is_default.astype(float))


def choose(
    release: Release,
    course: OneCourse | Tables,
    *,
    now: datetime,
    context: Mapping[str, Any],
    candidates: Sequence[str] | None = None,
    seed: int,
) -> Choice:
    """The content for one user now, and how every content stood.

    The safe default answers where nothing else is eligible, and where the
    therapy has a status and no reading was taken yet: nothing is recommended
    by a model to a patient never measured.

    Args:
        course: everything known of exactly one user, as tables where the release's features need them.
        candidates: contents the app can show; all when None.
        seed: of the draw; the same seed on the same course draws the same content.

    Raises:
        NotFound: a candidate is not in the release.
    """
    offered = _offered(release, candidates)
    if release.features.need_tables:
        known = known_at(release, course, now, context)
        scored, is_measured = score(release, known, _last(known), offered), not known.measurements.is_empty()
    else:
        course = OneCourse.of(release.therapy, course) if isinstance(course, Tables) else course
        scored = _score_one(release, course, now, context, offered)
        is_measured = course.readings(microseconds(now)) > 0
    rows = _rows(release, scored)
    ranking = tuple(map(rows.__getitem__, _order(release, scored)))
    if release.therapy.status is not None and not is_measured:
        default = rows[release.place_of[release.therapy.safety.safe_default]]
        return Choice(default.content_id, 1.0, "safe_default", (NO_FIRST_STATUS,), seed, _certain(ranking, default))
    if scored.blocks.eligible[0].sum() == 1:
        return Choice(ranking[0].content_id, 1.0, "safe_default", (NOTHING_ELSE,), seed, ranking)
    chosen = rows[draw(scored.probability[0], seed)]
    source: Literal["model", "schedule"] = "schedule" if isinstance(release.policy, FixedSchedule) else "model"
    return Choice(chosen.content_id, chosen.probability, source, (), seed, ranking)


def known_at(release: Release, tables: OneCourse | Tables, now: datetime, context: Mapping[str, Any]) -> Tables:
    """What is known now of one user, with the decision being made as the last session."""
    if isinstance(tables, OneCourse) or tables.users.height != 1:
        raise ValueError("expected the tables of one user")
    measured, past = (
        table.head(int((table[time] <= now).sum()))  # one user's rows stand in order of time
        for table, time in ((tables.measurements, "measured_at"), (tables.sessions, "decided_at"))
    )
    row = {
        **context,
        "decision_id": PENDING,
        "user_id": tables.users["user_id"][0],
        "decided_at": now,
        "content_id": release.therapy.safety.safe_default,  # to be chosen; nothing looks at it
    }
    schema = schema_of("sessions", release.therapy)
    pending = pl.DataFrame([{name: row.get(name) for name in schema}], schema=schema)
    return Tables(tables.users, measured, release.contents, past.vstack(pending), tables.files)


def _last(known: Tables) -> np.ndarray:
    return np.array([known.sessions.height - 1])


def _offered(release: Release, candidates: Sequence[str] | None) -> np.ndarray | None:
    if candidates is None:
        return None
    place_of, offered = release.place_of, np.zeros((1, len(release.content_ids)), dtype=bool)
    unknown = sorted(set(candidates) - place_of.keys())
    if unknown:
        raise NotFound(f"unknown content {first_few(unknown)}; expected contents of release {release.name}")
    offered[0, [place_of[content_id] for content_id in candidates]] = True
    return offered


def _also_blocked(release: Release, shield: Blocks, offered: np.ndarray | None) -> Blocks:
    if offered is None:
        return shield
    not_offered = ~(offered | release.is_safe_default)
    return Blocks({**shield.by_code, NOT_OFFERED: not_offered}, shield.eligible & ~not_offered)


def _rows(release: Release, scored: Scored) -> list[Ranked]:
    """The contents of the first decision, in table order."""
    n_contents = len(release.content_ids)
    reasons: list[tuple[str, ...]] = [()] * n_contents
    for code, blocked in scored.blocks.by_code.items():
        for place in np.flatnonzero(blocked[0]).tolist():
            reasons[place] += (code,)
    columns = (
        release.content_ids,
        scored.probability[0].tolist(),
        scored.blocks.eligible[0].tolist(),
        _intervals(scored.feedback, n_contents),
        _intervals(scored.status, n_contents),
        reasons,
    )
    return list(map(partial(tuple.__new__, Ranked), zip(*columns, strict=True)))


def _intervals(predictions: np.ndarray | None, n_contents: int) -> Sequence[Interval | None]:
    if predictions is None:
        return [None] * n_contents
    return list(map(partial(tuple.__new__, Interval), predictions[0].tolist()))


def _order(release: Release, scored: Scored) -> list[int]:
    """The places of the contents of the first decision, most probable first, then by id."""
    found: list[int] = np.lexsort((release.turn, -scored.probability[0])).tolist()
    return found


def _certain(ranking: tuple[Ranked, ...], default: Ranked) -> tuple[Ranked, ...]:
    rest = tuple(item._replace(probability=0.0, status=None) for item in ranking if item is not default)
    return (default._replace(probability=1.0, status=None), *rest)


def draw(probability: np.ndarray, seed: int) -> int:
    """Inverse transform sampling with the generator of the seed (PCG64)."""
    reached = np.cumsum(probability)
    point = np.random.default_rng(seed).random() * reached[-1]
    return int(np.searchsorted(reached, point, side="right"))
