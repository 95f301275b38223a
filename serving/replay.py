"""A logged decision made again from the log and its release, and compared bit for bit."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson
import sqlalchemy as sa

from models.one_course import OneCourse
from models.release import Release
from posology.errors import CannotDo, NotFound
from posology.tables import ON_SCHEDULE, Tables
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
        considered: whether it is what the release would have done, while another decided.
    """

    decision_id: str
    differences: tuple[str, ...]
    considered: bool = False

    @property
    def equal(self) -> bool:
        """Whether every bit is the same."""
        return not self.differences


@contextmanager
def opened(store_url: str) -> Iterator[sa.Engine]:
    """The database of a store while the block runs; raises ``ServiceDown`` when it does not answer."""
    engine = open_database(store_url)
    try:
        yield engine
    finally:
        engine.dispose()


def release_of(store_url: str, decision_id: str) -> str:
    """The release that made a decision, by its policy or schedule.

    Raises:
        NotFound: no such decision.
        CannotDo: it was made elsewhere and loaded.
        ServiceDown: the database does not answer.
    """
    query = sa.select(decisions.c.release, decisions.c.seed).where(decisions.c.decision_id == decision_id)
    with opened(store_url) as engine, reading(engine) as connection:
        found = connection.execute(query).first()
    if found is None:
        raise NotFound(f"no decision {decision_id} in the store; expected a decision_id that /v1/recommend answered")
    if found.seed is None or found.release is None:
        raise CannotDo(f"decision {decision_id} was made elsewhere and loaded; expected one that this service made")
    return str(found.release).removesuffix(ON_SCHEDULE)


def replay(release: Release, store: Store, decision: Decision) -> Replayed:
    """One decision made again; see ``Replaying``."""
    return Replaying(release, store).one(decision)


@dataclass(frozen=True)
class Replaying:
    """Makes decisions of a release again, on the course as it was known then, with the seed of then.

    A safe default that was answered because something broke (its reason says so) is made again as such.

    Attributes:
        store: holds the courses at each decision's revision, whatever came later.
    """

    release: Release
    store: Store

    def one(self, decision: Decision, course: OneCourse | Tables | None = None) -> Replayed:
        """One decision made again.

        Args:
            decision: as logged.
            course: at its revision, where it was read already.

        Raises:
            CannotDo: the decision was made elsewhere, or by another release.
        """
        reason, decider = reason_of(decision), self._decider(decision)
        if decision.seed is None or (decision.course_revision is None and reason is None):
            raise CannotDo(
                f"decision {decision.decision_id} was made elsewhere and loaded; expected one that this service made"
            )
        if reason:
            again = answer(self.release, safe_choice(self.release, decision.seed, reason))
        else:
            again = _made_again(decider, self.store, decision, course)
        eligible = [item["content_id"] for item in again["ranking"] if item["eligible"]]
        logged = {name: _plain(getattr(decision, name)) for name in (*_TOLD, "eligible")}
        made = {**{name: again[name] for name in _TOLD}, "eligible": eligible}
        return Replayed(decision.decision_id, () if _bits(logged) == _bits(made) else tuple(_differences(logged, made)))

    def _decider(self, decision: Decision) -> Release:
        if decision.release == self.release.name:
            return self.release
        if decision.release == self.release.name + ON_SCHEDULE:
            return self._on_schedule
        raise CannotDo(
            f"decision {decision.decision_id} was made by release {decision.release}; expected {self.release.name}"
        )

    @cached_property
    def _on_schedule(self) -> Release:
        return on_schedule(self.release)


def _made_again(
    decider: Release, store: Store, decision: Decision, course: OneCourse | Tables | None
) -> dict[str, Any]:
    if decision.plan_id is not None:
        return planned_again(decider, store, decision, store.plan(decision.plan_id))
    choice = decide(
        decider,
        store.course(decision.user_id, decider.contents, revision=decision.course_revision)
        if course is None
        else course,
        now=decision.decided_at,
        context=decision.context,
        candidates=decision.candidates,
        seed=decision.seed or 0,
    )
    return answer(decider, choice)


_TOLD = ("content_id", "probability", "source", "reasons", "seed", "ranking")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _bits(told: dict[str, Any]) -> bytes:
    """The same for the same numbers to the last bit, of the same types."""
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS)


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
