"""A logged decision made again from the log and its release, and compared bit for bit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from models.release import Release
from posology.errors import CannotDo, NotFound
from posology.tables import ON_SCHEDULE
from serving.database import open_database, reading
from serving.fallback import reason_of, safe_choice
from serving.modes.arms import on_schedule
from serving.plans.replaying import planned_again
from serving.ranking import answer, decide
from serving.records import Decision
from serving.schema import decisions
from serving.store import Store


@dataclass(frozen=True)
class Replayed:
    """What came of it.

    Attributes:
        differences: fields that differ, such as ``ranking[3].feedback.mean``; never their values.
    """

    decision_id: str
    differences: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether every bit is the same."""
        return not self.differences


def made_by(store_url: str, decision_id: str | None = None) -> dict[str, list[str]]:
    """Release → decisions, by its policy or schedule, that can be made again: one, or all in the store by time.

    Raises:
        NotFound: no such decision.
        CannotDo: it was made elsewhere and loaded.
        ServiceDown: the database does not answer.
    """
    columns = (decisions.c.decision_id, decisions.c.release, decisions.c.seed)
    query = sa.select(*columns).order_by(decisions.c.decided_at, decisions.c.decision_id)
    if decision_id is not None:
        query = query.where(decisions.c.decision_id == decision_id)
    engine = open_database(store_url)
    try:
        with reading(engine) as connection:
            found = list(connection.execute(query))
    finally:
        engine.dispose()
    if decision_id is not None and not found:
        raise NotFound(f"no decision {decision_id} in the store; expected a decision_id that /v1/recommend answered")
    if decision_id is not None and found[0].seed is None:
        raise CannotDo(f"decision {decision_id} was made elsewhere and loaded; expected one that this service made")
    made: dict[str, list[str]] = {}
    for row in found:
        if row.seed is not None and row.release is not None:
            made.setdefault(row.release.removesuffix(ON_SCHEDULE), []).append(row.decision_id)
    return made


def replay(release: Release, store: Store, decision: Decision) -> Replayed:
    """Decide again on the course as it was known then, with the seed of then.

    A safe default that was answered because something broke (its reason says so) is made again as such.

    Args:
        release: the one that decided.
        store: holds the course at the decision's revision, whatever came later.

    Raises:
        CannotDo: the decision was made elsewhere, or by another release.
    """
    reason = reason_of(decision)
    if decision.seed is None or (decision.course_revision is None and reason is None):
        raise CannotDo(
            f"decision {decision.decision_id} was made elsewhere and loaded; expected one that this service made"
        )
    if decision.release == release.name + ON_SCHEDULE:
        decider = on_schedule(release)
    elif decision.release == release.name:
        decider = release
    else:
        raise CannotDo(
            f"decision {decision.decision_id} was made by release {decision.release}; expected {release.name}"
        )
    if reason:
        again = answer(release, safe_choice(release, decision.seed, reason))
    else:
        again = _made_again(decider, store, decision)
    eligible = [item["content_id"] for item in again["ranking"] if item["eligible"]]
    logged = {name: _plain(getattr(decision, name)) for name in (*_TOLD, "eligible")}
    made = {**{name: again[name] for name in _TOLD}, "eligible": eligible}
    return Replayed(decision.decision_id, tuple(_differences(logged, made)))


def _made_again(decider: Release, store: Store, decision: Decision) -> dict[str, Any]:
    if decision.plan_id is not None:
        return planned_again(decider, store, decision, store.plan(decision.plan_id))
    choice = decide(
        decider,
        store.course(decision.user_id, decider.contents, revision=decision.course_revision),
        now=decision.decided_at,
        context=decision.context,
        candidates=decision.candidates,
        seed=decision.seed or 0,
    )
    return answer(decider, choice)


_TOLD = ("content_id", "probability", "source", "reasons", "seed", "ranking")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _differences(logged: Any, again: Any, place: str = "") -> Iterator[str]:
    """Where the two differ."""
    if isinstance(logged, Mapping) and isinstance(again, Mapping) and logged.keys() == again.keys():
        for name in logged:
            yield from _differences(logged[name], again[name], f"{place}.{name}" if place else name)
    elif _is_list(logged) and _is_list(again) and len(logged) == len(again):
        for number, (one, other) in enumerate(zip(logged, again, strict=True)):
            yield from _differences(one, other, f"{place}[{number}]")
    elif type(logged) is not type(again) or logged != again:
        yield place


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
