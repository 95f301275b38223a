"""Choosing: predictions, shield and policy in one step, for one decision or for many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import numpy as np
import polars as pl

from models.policies.decisions import Decisions
from models.policies.fixed_schedule import FixedSchedule
from models.release import Release
from posology.errors import NotFound, first_few
from posology.safety import Blocks, blocks
from posology.tables import Tables, schema_of

NOT_OFFERED = "NOT_OFFERED"
NO_FIRST_STATUS = "NO_FIRST_STATUS"
NOTHING_ELSE = "NOTHING_ELSE"
PENDING = "\U0010ffff"  # sorts after every decision_id: the decision being made


@dataclass(frozen=True)
class Interval:
    """A prediction: mean and the ends of its interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Ranked:
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
    shield = blocks(release.therapy, release.contents, situations, recent)
    if offered is not None:
        shield = _also_blocked(shield, ~(offered | _is_safe_default(release)))
    decisions = Decisions(
        therapy=release.therapy,
        tables=replace(tables, contents=release.contents),
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
    proposed, is_default = release.policy.probabilities(decisions), _is_safe_default(release)
    blocked = np.where(decisions.eligible, 0.0, proposed).sum(axis=1, keepdims=True)
    allowed = np.where(decisions.eligible, proposed, 0.0) + blocked * is_default
    if release.therapy.status is None:
        return allowed
    return np.where(decisions.feature("scores") > 0, allowed, is_default.astype(float))


def choose(
    release: Release,
    tables: Tables,
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
        tables: everything known of exactly one user.
        candidates: contents the app can show; all when None.
        seed: of the draw; the same seed on the same course draws the same content.

    Raises:
        NotFound: a candidate is not in the release.
    """
    known = known_at(release, tables, now, context)
    scored = score(release, known, np.array([known.sessions.height - 1]), _offered(release, candidates))
    rows = _rows(release, scored)
    ranking = tuple(sorted(rows, key=lambda row: (-row.probability, row.content_id)))
    if release.therapy.status is not None and known.measurements.is_empty():
        default = next(row for row in ranking if row.content_id == release.therapy.safety.safe_default)
        return Choice(default.content_id, 1.0, "safe_default", (NO_FIRST_STATUS,), seed, _certain(ranking, default))
    if scored.blocks.eligible[0].sum() == 1:
        return Choice(ranking[0].content_id, 1.0, "safe_default", (NOTHING_ELSE,), seed, ranking)
    chosen = rows[draw(scored.probability[0], seed)]
    source: Literal["model", "schedule"] = "schedule" if isinstance(release.policy, FixedSchedule) else "model"
    return Choice(chosen.content_id, chosen.probability, source, (), seed, ranking)


def known_at(release: Release, tables: Tables, now: datetime, context: Mapping[str, Any]) -> Tables:
    """What is known now of one user, with the decision being made as the last session."""
    if tables.users.height != 1:
        raise ValueError(f"expected the tables of one user, got {tables.users.height}")
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


def _offered(release: Release, candidates: Sequence[str] | None) -> np.ndarray | None:
    if candidates is None:
        return None
    unknown = sorted(set(candidates) - set(release.contents["content_id"]))
    if unknown:
        raise NotFound(f"unknown content {first_few(unknown)}; expected contents of release {release.name}")
    return release.contents["content_id"].is_in(list(candidates)).to_numpy()[None, :]


def _is_safe_default(release: Release) -> np.ndarray:
    return (release.contents["content_id"] == release.therapy.safety.safe_default).to_numpy()[None, :]


def _also_blocked(shield: Blocks, not_offered: np.ndarray) -> Blocks:
    return Blocks({**shield.by_code, NOT_OFFERED: not_offered}, shield.eligible & ~not_offered)


def _rows(release: Release, scored: Scored) -> tuple[Ranked, ...]:
    """The contents of the first decision, in table order."""
    return tuple(
        Ranked(
            content_id=content_id,
            probability=float(scored.probability[0, place]),
            eligible=bool(scored.blocks.eligible[0, place]),
            feedback=_interval(scored.feedback, place),
            status=_interval(scored.status, place),
            reasons=scored.blocks.reasons(0, place),
        )
        for place, content_id in enumerate(release.contents["content_id"].to_list())
    )


def _interval(predictions: np.ndarray | None, place: int) -> Interval | None:
    return None if predictions is None else Interval(*predictions[0, place].tolist())


def _certain(ranking: tuple[Ranked, ...], default: Ranked) -> tuple[Ranked, ...]:
    rest = tuple(replace(item, probability=0.0, status=None) for item in ranking if item is not default)
    return (replace(default, probability=1.0, status=None), *rest)


def draw(probability: np.ndarray, seed: int) -> int:
    """Inverse transform sampling with the generator of the seed (PCG64)."""
    reached = np.cumsum(probability)
    point = np.random.default_rng(seed).random() * reached[-1]
    return int(np.searchsorted(reached, point, side="right"))
