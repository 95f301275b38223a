"""One user's course as arrays: what one decision is made from, however the course was come by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import numpy as np

from models.contents import ContentArrays
from models.course import feedback_known
from models.encode import encode
from models.fold_one import Past
from models.usual import Usual
from posology.tables import Tables
from posology.therapy import Therapy

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def microseconds(time: datetime) -> int:
    """Since 1970, UTC."""
    return (time - EPOCH) // MICROSECOND


@dataclass(frozen=True)
class OneCourse:
    """Everything known of one user. Times are whole microseconds since 1970, UTC; readings and sessions in order.

    Attributes:
        enrolled: when the user enrolled.
        user: U columns by name.
        measured, score: (n_readings,)
        decided: (n_sessions,)
        content_ids: (n_sessions,) what was given.
        context: (n_sessions, n_names) the context of each decision as numbers, see ``models.encode``.
        known, feedback: (n_sessions,) when F was known, and F, see ``models.course.feedback_known``.
        usual: what of it was worked out, carried on to the courses made of this one.
    """

    enrolled: int
    user: Mapping[str, Any]
    measured: np.ndarray
    score: np.ndarray
    decided: np.ndarray
    content_ids: Sequence[str]
    context: np.ndarray
    known: np.ndarray
    feedback: np.ndarray
    usual: Usual = field(default_factory=Usual, repr=False, compare=False)

    @classmethod
    def of(cls, therapy: Therapy, tables: Tables) -> Self:
        """The course in the tables of exactly one user."""
        if tables.users.height != 1:
            raise ValueError(f"expected the tables of one user, got {tables.users.height}")
        user, sessions = tables.users.row(0, named=True), tables.sessions
        came = feedback_known(therapy, sessions)
        return cls(
            enrolled=microseconds(user["enrolled_at"]),
            user={name: user[name] for name in therapy.user},
            measured=_whole(tables.measurements["measured_at"].to_numpy()),
            score=tables.measurements["score"].to_numpy(writable=True),
            decided=_whole(sessions["decided_at"].to_numpy()),
            content_ids=sessions["content_id"].to_list(),
            context=encode(sessions, therapy.context),
            known=_whole(came.known_at),
            feedback=came.value,
        )

    def readings(self, now: int) -> int:
        """How many readings were taken by then."""
        return int(np.searchsorted(self.measured, now, side="right"))

    def past(self, contents: ContentArrays) -> Past:
        """All but what was answered."""
        places = contents.places_of(self.content_ids)
        context = np.ascontiguousarray(self.context)
        return Past(self.enrolled, self.measured, self.score, self.decided, places, context)


def _whole(times: np.ndarray) -> np.ndarray:
    return times.astype("datetime64[us]").astype(np.int64)
