"""Every decision of a release made again, patient by patient: a course is read once, and memory stays bounded."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from models.one_course import OneCourse
from models.release import Release
from posology.tables import ON_SCHEDULE
from serving.changes import Change, KnownCourse, brought_to, changes_between, whole
from serving.database import reading
from serving.records import Decision
from serving.replay import Replayed, Replaying, opened
from serving.schema import considered, decisions
from serving.store import Store

PAGE = 200  # decisions in memory at once: with their rankings some 20 kB each
CONSIDERED = frozenset({"release", "content_id", "probability", "source", "reasons", "ranking"})
Query = sa.Select[Any]


def made_by(store_url: str) -> dict[str, int]:
    """Release → how many decisions it made, by its policy or schedule, or considered while another decided.

    Those that were made elsewhere and loaded are left out.

    Raises:
        ServiceDown: the database does not answer.
    """
    made = sa.select(decisions.c.release, sa.func.count()).where(
        decisions.c.seed.is_not(None), decisions.c.release.is_not(None)
    )
    watched = sa.select(considered.c.release, sa.func.count())
    counts: dict[str, int] = {}
    with opened(store_url) as engine, reading(engine) as connection:
        for query in (made.group_by(decisions.c.release), watched.group_by(considered.c.release)):
            for logged_as, number in connection.execute(query):
                name = logged_as.removesuffix(ON_SCHEDULE)
                counts[name] = counts.get(name, 0) + number
    return dict(sorted(counts.items()))


def replay_all(release: Release, store: Store) -> Iterator[Replayed]:
    """Every decision that the release made, then every one that it considered while another decided."""
    replaying = Replaying(release, store)
    for part in parts(release, store):
        yield from replay_part(replaying, part)


@dataclass(frozen=True)
class Part:
    """What one release made, or only considered, for one patient; made again apart from all others."""

    user_id: str
    considered: bool


def parts(release: Release, store: Store) -> list[Part]:
    """All that ``replay_all`` makes again, in its order."""
    found: list[Part] = []
    with reading(store.engine) as connection:
        for query, is_considered in ((_made(release, store), False), (_watched(release, store), True)):
            patients = query.with_only_columns(decisions.c.user_id).distinct().order_by(decisions.c.user_id)
            found += [Part(user_id, is_considered) for user_id in connection.execute(patients).scalars()]
    return found


def replay_part(replaying: Replaying, part: Part) -> Iterator[Replayed]:
    """One patient's decisions made again, in the order they were made in."""
    if not part.considered:
        yield from _of_user(replaying, part.user_id, _made(replaying.release, replaying.store), lambda made: made)
        return
    watched = _watched(replaying.release, replaying.store)
    for replayed in _of_user(replaying, part.user_id, watched, _with_its_own_eligible):
        yield replace(replayed, considered=True)


def _made(release: Release, store: Store) -> Query:
    return sa.select(decisions).where(
        decisions.c.therapy == store.therapy.name,
        decisions.c.release.in_([release.name, release.name + ON_SCHEDULE]),
        decisions.c.seed.is_not(None),
    )


def _watched(release: Release, store: Store) -> Query:
    """Decisions as the release would have made them."""
    columns = [considered.c[column.name] if column.name in CONSIDERED else column for column in decisions.c]
    same = (considered.c.therapy == decisions.c.therapy) & (considered.c.decision_id == decisions.c.decision_id)
    return (
        sa.select(*columns)
        .join_from(decisions, considered, same)
        .where(considered.c.therapy == store.therapy.name, considered.c.release == release.name)
    )


def _with_its_own_eligible(decision: Decision) -> Decision:
    return replace(decision, eligible=tuple(row["content_id"] for row in decision.ranking or () if row["eligible"]))


def _of_user(
    replaying: Replaying, user_id: str, query: Query, as_logged: Callable[[Decision], Decision]
) -> Iterator[Replayed]:
    course = _Course(replaying.store, user_id)
    for page in _pages(replaying.store, query.where(decisions.c.user_id == user_id)):
        made = [as_logged(Decision.from_row(row)) for row in page]
        ahead = max(each.course_revision or 0 for each in made)
        yield from (replaying.one(each, _course_of(replaying, each, course, ahead)) for each in made)


def _pages(store: Store, query: Query) -> Iterator[list[Any]]:
    in_order = query.order_by(decisions.c.course_revision, decisions.c.decided_at, decisions.c.decision_id)
    with reading(store.engine) as connection:
        found = connection.execute(in_order, execution_options={"yield_per": PAGE})
        yield from (list(page) for page in found.mappings().partitions())


def _course_of(replaying: Replaying, decision: Decision, course: "_Course", ahead: int) -> OneCourse | None:
    """The course at the decision's revision; None where it is made again from something else."""
    if decision.course_revision is None or decision.plan_id is not None or replaying.release.features.need_tables:
        return None
    return course.at(decision.course_revision, ahead)


@dataclass
class _Course:
    """One patient's course, brought on from one revision to the next."""

    store: Store
    user_id: str
    _known: KnownCourse | None = None
    _coming: deque[Change] = field(default_factory=deque)  # what changed after it, in order
    _read: int = 0  # up to this revision

    def at(self, revision: int, ahead: int) -> OneCourse:
        """The course at a revision that is not before the last one asked for; what changes until ``ahead`` is read."""
        known = None if self._known is None else self._brought(self._known, revision, ahead)
        if known is None:
            known = whole(self.store.therapy, self.store.course(self.user_id, revision=revision), revision)
            self._read = max(self._read, revision)
        self._known = known
        return known.course

    def _brought(self, known: KnownCourse, revision: int, ahead: int) -> KnownCourse | None:
        if revision > self._read:
            later = changes_between(self.store.engine, self.store.therapy, self.user_id, self._read, ahead)
            self._coming += sorted(later, key=lambda change: change.revision)
            self._read = ahead
        came = []
        while self._coming and self._coming[0].revision <= revision:
            came.append(self._coming.popleft())
        return brought_to(self.store.therapy, known, revision, came)
