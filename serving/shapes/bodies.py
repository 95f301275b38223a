"""The bodies of all calls, as a release and its therapy have them."""

from dataclasses import dataclass, field
from functools import cached_property

from models.release import Release
from posology.therapy import Columns, Therapy
from serving.per_release import per_release
from serving.shapes.objects import Field, Object, Rows
from serving.shapes.values import LONGEST_NOTE, Declared, Number, OneOf, Shape, Text, Texts, Time, Whole, YesNo

LARGEST_SEED = 2**63 - 1
MOST_CONTENTS = 20  # of one session
MOST_DAYS = 30  # of a plan
LONGEST_PLAN = 500_000  # letters of one
EXAMPLE_DECISION = "8e77c0f2b1d94d0f9a6f3a5e0c6d2b41"
USER_ID = Field(Text("p-1"), "the app's name for the patient; nothing that tells who it is")
DECISION_ID = Field(Text(EXAMPLE_DECISION), "as the decision was answered")
EXPLAIN = Field(YesNo(), "true adds what moved the predictions for the chosen content", is_needed=False, is_shown=False)


@dataclass(frozen=True)
class Bodies:
    """What each call takes; what a therapy does not declare is not taken."""

    therapy: Therapy
    content_ids: tuple[str, ...]
    release: str = field(default="", compare=False)  # named in a message about contents

    @cached_property
    def users(self) -> Object:
        """Of ``/v1/users``."""
        own = {
            "user_id": USER_ID,
            "enrolled_at": Field(Time("2026-11-01T09:00:00Z")),
            "site": Field(Text("north"), "where the patient is treated", is_needed=False, is_shown=False),
            "consent": Field(YesNo(), "without it nothing is recommended or kept"),
        }
        return Object({**own, **_declared(self.therapy.user)})

    @cached_property
    def withdraw(self) -> Object:
        """Of ``/v1/withdraw``."""
        at = Field(Time("2026-12-01T09:00:00Z"), "now when left out", is_needed=False)
        return Object({"user_id": USER_ID, "withdrawn_at": at})

    @cached_property
    def erase(self) -> Object:
        """Of ``/v1/erase``."""
        return Object({"user_id": USER_ID})

    @cached_property
    def measurements(self) -> Object | None:
        """Of ``/v1/measurements``; None where the therapy has no instrument."""
        return None if self.therapy.status is None else Object({"user_id": USER_ID, **_reading(self.therapy)})

    @cached_property
    def recommend(self) -> Object:
        """Of ``/v1/recommend``."""
        return Object({"user_id": USER_ID, **self._asked, "explain": EXPLAIN})

    @cached_property
    def session_plan(self) -> Object:
        """Of ``/v1/session-plan``."""
        contents = Field(Whole(1, MOST_CONTENTS, 3), "how many, one after the other")
        return Object({"user_id": USER_ID, "contents": contents, **self._asked, "explain": EXPLAIN})

    @cached_property
    def plan(self) -> Object:
        """Of ``/v1/plan``."""
        per_day = Field(Whole(1, MOST_CONTENTS, 2), "1 when left out", is_needed=False)
        about = "what is known to hold on all days; a rule that cannot be known forbids"
        context = Field(Object(_declared(self.therapy.context)), about, is_needed=False, is_shown=False)
        return Object(
            {
                "user_id": USER_ID,
                "days": Field(Whole(1, MOST_DAYS, 7)),
                "contents_per_day": per_day,
                "starts_at": Field(Time("2026-11-02T09:00:00Z"), "now when left out", is_needed=False, is_shown=False),
                **{**self._asked, "context": context},
            }
        )

    @cached_property
    def plan_reconcile(self) -> Object:
        """Of ``/v1/plan/reconcile``."""
        row = Object({"decision_id": DECISION_ID, "at": Field(Time("2026-11-02T10:00:00Z"), "when it was given")})
        about = "of the plan, what was given; what is not listed was not given"
        return Object(
            {
                "signed": Field(Text("eyJhbGciOiJFZERTQSJ9.e30.c2ln", LONGEST_PLAN), "of the plan, as it came"),
                "delivered": Field(Rows(row, most=MOST_DAYS * MOST_CONTENTS), about),
            }
        )

    @cached_property
    def activate(self) -> Object:
        """Of ``/v1/activate``."""
        return Object({"decision_id": DECISION_ID})

    @cached_property
    def override(self) -> Object:
        """Of ``/v1/override``."""
        return Object(
            {
                "decision_id": DECISION_ID,
                "content_id": Field(OneOf(self.content_ids), "what is given instead"),
                "by": Field(Text("Dr. Example"), "who says so"),
                "reason": Field(Text("asked for something lighter today", LONGEST_NOTE)),
            }
        )

    @cached_property
    def feedback(self) -> Object | None:
        """Of ``/v1/feedback``; None where the therapy has none."""
        feedback = self.therapy.feedback
        if feedback is None:
            return None
        received = Field(Time("2026-11-02T10:20:00Z"), "now when left out", is_needed=False, is_shown=False)
        return Object({"decision_id": DECISION_ID, "received_at": received, **_declared(feedback.columns)})

    @cached_property
    def rank(self) -> Object:
        """Of ``/v1/rank``: a course that is not stored."""
        decided_at = Field(Time("2026-11-02T10:00:00Z"), "now when left out", is_needed=False)
        rows = {"sessions": _optional(Rows(Object(self._session)))}
        if self.therapy.status is not None:
            reading = Object({"user_id": _optional(USER_ID.shape, is_shown=False), **_reading(self.therapy)})
            rows = {"measurements": _optional(Rows(reading)), **rows}
        else:
            rows = {"measurements": _optional(Rows(Object({}), most=0), is_shown=False), **rows}
        return Object(
            {
                "user": Field(Object(self._course_user)),
                **rows,
                **self._asked,
                "decided_at": decided_at,
                "explain": EXPLAIN,
            }
        )

    @property
    def _asked(self) -> dict[str, Field]:
        """What every call that decides takes."""
        context = Object(_declared(self.therapy.context))
        known = frozenset(self.content_ids)
        candidates = Texts(list(self.content_ids[:3]), known, f"contents of release {self.release}".strip())
        return {
            "context": Field(context, "what is known just now", is_needed=bool(self.therapy.context)),
            "candidates": _optional(candidates, "what the app can show; all when left out"),
            "seed": _optional(Whole(0, LARGEST_SEED, 7), "of the draw; drawn when left out"),
        }

    @property
    def _course_user(self) -> dict[str, Field]:
        own = {
            "user_id": _optional(USER_ID.shape, is_shown=False),
            "enrolled_at": _optional(Time("2026-11-01T09:00:00Z")),
            "site": _optional(Text("north"), is_shown=False),
            "consent": _optional(YesNo()),
        }
        return {**own, **_declared(self.therapy.user)}

    @property
    def _session(self) -> dict[str, Field]:
        feedback = self.therapy.feedback.columns if self.therapy.feedback else {}
        own = {
            "user_id": _optional(USER_ID.shape, is_shown=False),
            "decision_id": _optional(DECISION_ID.shape, is_shown=False),
            "decided_at": Field(Time("2026-11-01T11:00:00Z")),
            "content_id": Field(Text(self.content_ids[0])),
            "eligible": _optional(Texts(list(self.content_ids[:3])), is_shown=False),
            "probability": _optional(Number(), is_shown=False),
            "release": _optional(Text("mci-3fa4c1d2e5b6"), is_shown=False),
            "feedback_at": _optional(Time("2026-11-01T11:20:00Z")),
        }
        return {**own, **_declared(self.therapy.context), **_declared(feedback)}


@per_release
def bodies_of(release: Release) -> Bodies:
    """The bodies of a release's calls."""
    return Bodies(release.therapy, tuple(release.contents["content_id"]), release.name)


def _declared(columns: Columns) -> dict[str, Field]:
    return {name: _optional(Declared(column)) for name, column in columns.items()}


def _optional(shape: Shape, about: str = "", *, is_shown: bool = True) -> Field:
    return Field(shape, about, is_needed=False, is_shown=is_shown)


def _reading(therapy: Therapy) -> dict[str, Field]:
    assert therapy.status is not None
    status = therapy.status
    return {
        "measured_at": Field(Time("2026-11-01T10:00:00Z")),
        "instrument": Field(OneOf((status.instrument,))),
        "score": Field(Number(status.minimum, status.maximum), "in points of the instrument"),
    }
