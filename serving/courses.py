"""Courses kept in memory between a user's decisions; what changed since is read from the store.

The store counts the changes of each user's course. A course that was read at
one revision is brought to a later one by the rows that came between, whoever
wrote them: several workers on one database decide on the same course. It is
the same, bit for bit, as the whole course read anew (``Store.course``), which
is what ``replay`` does, and what happens here when a change is of another kind.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from models.one_course import OneCourse
from models.release import Release
from posology.errors import NotFound
from posology.tables import Tables
from serving.changes import KnownCourse, brought_to, whole
from serving.database import reading
from serving.schema import users
from serving.store import Store

SESSIONS_KEPT = 500_000  # of all users: some 100 MB
NO_USER = "no such user; send POST /v1/users first"

_USER = sa.select(users).where(
    users.c.therapy == sa.bindparam("of_therapy"), users.c.user_id == sa.bindparam("of_user")
)


@dataclass(frozen=True)
class Known:
    """What is known of a user at one revision of the course.

    Attributes:
        user: the row of the store.
    """

    store: Store
    user: Mapping[str, Any]
    kept: KnownCourse

    @property
    def revision(self) -> int:
        """The course's."""
        return int(self.user["revision"])

    def consents(self, at: datetime) -> bool:
        """Whether the user had consented and not withdrawn it by then."""
        withdrawn_at = self.user["consent_withdrawn_at"]
        return bool(self.user["consent"]) and (withdrawn_at is None or at < withdrawn_at)

    def course_for(self, release: Release) -> OneCourse | Tables:
        """As ``choose`` wants it: for some releases, such as those that read words, as tables."""
        if release.features.need_tables:
            return self.store.course(self.user["user_id"], release.contents, revision=self.revision)
        return self.kept.course


class Courses:
    """The courses of a store's users, those asked for last.

    Args:
        sessions_kept: of all users together; the user asked for longest ago goes first.
    """

    def __init__(self, store: Store, *, sessions_kept: int = SESSIONS_KEPT) -> None:
        self._store = store
        self._most = sessions_kept
        self._sessions = 0
        self._kept: OrderedDict[str, tuple[Mapping[str, Any], KnownCourse]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, user_id: str) -> Known:
        """Everything known of a user now.

        Raises:
            NotFound: no such user.
        """
        with reading(self._store.engine) as connection:
            key = {"of_therapy": self._store.therapy.name, "of_user": user_id}
            row = connection.execute(_USER, key).mappings().one_or_none()
            if row is None:
                self.forget(user_id)
                raise NotFound(NO_USER)
            user = dict(row)
            course, is_new = self._before(user), False
            if course is not None and course.revision < user["revision"]:
                course = brought_to(connection, self._store.therapy, user_id, course, user["revision"])
                is_new = True
        if course is None:
            tables, is_new = self._store.course(user_id, revision=user["revision"]), True
            course = whole(self._store.therapy, tables, user["revision"])
        if is_new:
            self._keep(user, course)
        return Known(self._store, user, course)

    def forget(self, user_id: str) -> None:
        """Drop a user's course."""
        with self._lock:
            self._drop(user_id)

    def _before(self, user: Mapping[str, Any]) -> KnownCourse | None:
        """The course as it was kept, unless the user is not the same any more or it is of a later time."""
        with self._lock:
            kept = self._kept.get(user["user_id"])
            if kept is None or kept[1].revision > user["revision"]:
                return None
            self._kept.move_to_end(user["user_id"])
        return kept[1] if {**kept[0], "revision": user["revision"]} == user else None

    def _keep(self, user: Mapping[str, Any], course: KnownCourse) -> None:
        with self._lock:
            self._drop(user["user_id"])
            self._kept[user["user_id"]] = user, course
            self._sessions += course.size
            while self._sessions > self._most and len(self._kept) > 1:
                self._drop(next(iter(self._kept)))

    def _drop(self, user_id: str) -> None:
        _, course = self._kept.pop(user_id, (None, None))
        if course is not None:
            self._sessions -= course.size
