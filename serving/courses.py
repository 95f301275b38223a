"""Courses kept in memory between a user's decisions; what changed since is read from the store.

The store counts the changes of each user's course. A course that was read at
one revision is brought to a later one by the rows that came between, whoever
wrote them: several workers on one database decide on the same course. It is
the same, bit for bit, as the whole course read anew (``Store.course``), which
is what ``replay`` does, and what happens here when a change is of another kind.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import NamedTuple

import sqlalchemy as sa

from models.one_course import OneCourse, microseconds
from models.release import Release
from posology.errors import NotFound
from posology.tables import Tables
from serving.changes import Change, KnownCourse, brought_to, change_of, read_on, whole
from serving.keeping.writes import NO_USER, Write
from serving.prepared import Cursor, Prepared, asked
from serving.schema import users
from serving.store import Store

SESSIONS_KEPT = 500_000  # of all users: some 100 MB
HEARD = 64  # changes of one course that wait for it to be asked for; after more the store is asked


class _User(NamedTuple):
    """A user's row as the database holds it: compared, not read."""

    revision: int
    consent: bool | int
    consent_withdrawn_at: int | None
    enrolled_at: int
    site: str | None
    declared: str
    recorded_at: int | None

    def is_as(self, before: "_User") -> bool:
        """Whether nothing but the revision is another."""
        return self[1:] == before[1:]


@dataclass(frozen=True)
class Known:
    """What is known of a user at one revision of the course."""

    store: Store
    user_id: str
    user: _User
    kept: KnownCourse

    @property
    def revision(self) -> int:
        """The course's."""
        return self.user.revision

    def consents(self, at: datetime) -> bool:
        """Whether the user had consented and not withdrawn it by then."""
        withdrawn_at = self.user.consent_withdrawn_at
        return bool(self.user.consent) and (withdrawn_at is None or microseconds(at) < withdrawn_at)

    def course_for(self, release: Release) -> OneCourse | Tables:
        """As ``choose`` wants it: for some releases, such as those that read words, as tables."""
        if release.features.need_tables:
            return self.store.course(self.user_id, release.contents, revision=self.revision)
        return self.kept.course


@dataclass
class _Kept:
    """A user's course, and what was written since.

    Attributes:
        heard: revision → what brought it, of what this process wrote.
    """

    user: _User
    course: KnownCourse
    heard: dict[int, Change] = field(default_factory=dict)

    def heard_until(self, revision: int) -> list[Change] | None:
        """What brought the revisions from the course's to this one; None where somebody else wrote too."""
        missing = range(self.course.revision + 1, revision + 1)
        if len(missing) > len(self.heard):
            return None
        found = [self.heard[each] for each in missing if each in self.heard]
        return found if len(found) == len(missing) else None


class Courses:
    """The courses of a store's users, those asked for last.

    Args:
        sessions_kept: of all users together; the user asked for longest ago goes first.
    """

    def __init__(self, store: Store, *, sessions_kept: int = SESSIONS_KEPT) -> None:
        self._store = store
        self._most = sessions_kept
        self._sessions = 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()
        store.tell(self)

    def of(self, user_id: str) -> Known:
        """Everything known of a user now.

        Raises:
            NotFound: no such user.
        """
        user = asked(self._store.engine, lambda cursor: _user(cursor, self._store.therapy.name, user_id))
        if user is None:
            self.forget(user_id)
            raise NotFound(NO_USER)
        kept = self._before(user_id, user)
        if kept is not None and kept.course.revision == user.revision:
            return Known(self._store, user_id, user, kept.course)
        course = None if kept is None else self._brought(user_id, kept, user.revision)
        if course is None:
            tables = self._store.course(user_id, revision=user.revision)
            course = whole(self._store.therapy, tables, user.revision)
        self._keep(user_id, user, course)
        return Known(self._store, user_id, user, course)

    def hear(self, write: Write) -> None:
        """Note what changed in a course that is kept."""
        if write.brought is None:
            return
        user_id, revision = write.brought
        with self._lock:
            kept = self._kept.get(user_id)
            change = None if kept is None else change_of(write, revision)
            if kept is None or change is None:
                return
            if len(kept.heard) >= HEARD:
                kept.heard.clear()
            kept.heard[revision] = change

    def forget(self, user_id: str) -> None:
        """Drop a user's course."""
        with self._lock:
            self._drop(user_id)

    def _before(self, user_id: str, user: _User) -> _Kept | None:
        """The course as it was kept, unless the user is not the same any more or it is of a later time."""
        with self._lock:
            kept = self._kept.get(user_id)
            if kept is None or kept.course.revision > user.revision:
                return None
            self._kept.move_to_end(user_id)
        return kept if user.is_as(kept.user) else None

    def _brought(self, user_id: str, kept: _Kept, revision: int) -> KnownCourse | None:
        """The course at a later revision; None where it has to be read whole."""
        therapy, before = self._store.therapy, kept.course
        with self._lock:
            changes = kept.heard_until(revision)
        if changes is None:
            return read_on(self._store.engine, therapy, user_id, before, revision)
        return brought_to(therapy, before, revision, changes)

    def _keep(self, user_id: str, user: _User, course: KnownCourse) -> None:
        with self._lock:
            before = self._drop(user_id)
            later = {each: change for each, change in before.heard.items() if each > course.revision} if before else {}
            self._kept[user_id] = _Kept(user, course, later)
            self._sessions += course.size
            while self._sessions > self._most and len(self._kept) > 1:
                self._drop(next(iter(self._kept)))

    def _drop(self, user_id: str) -> _Kept | None:
        kept = self._kept.pop(user_id, None)
        if kept is not None:
            self._sessions -= kept.course.size
        return kept


def _user(cursor: Cursor, therapy: str, user_id: str) -> _User | None:
    found = cursor.raw(_asked_for(cursor.kind), {"of_therapy": therapy, "of_user": user_id})
    return _User(*found[0]) if found else None


@cache
def _asked_for(kind: str) -> Prepared:
    declared = sa.cast(users.c.declared, sa.Text).label("declared")
    columns = [declared if name == "declared" else users.c[name] for name in _User._fields]
    mine = (users.c.therapy == sa.bindparam("of_therapy"), users.c.user_id == sa.bindparam("of_user"))
    return Prepared(sa.select(*columns).where(*mine), kind)
