"""Every call there is: what its path is, what it is for, what it answers, and how it may be refused."""

from dataclasses import dataclass
from typing import Any

from serving.client import answers

SITUATION = (400, 401, 403, 429, 503)  # that every call may be in


@dataclass(frozen=True)
class Route:
    """One call.

    Attributes:
        path: below ``/v1/``.
        summary: what it does, in a line.
        about: what one must know to use it.
        answer: what a success holds.
        refusals: statuses besides those of every call.
        takes_body: whether it is told something, which may be wrong.
        takes_key: whether ``Idempotency-Key`` makes a second try the same.
    """

    path: str
    summary: str
    about: str
    answer: type[Any]
    refusals: tuple[int, ...] = ()
    takes_body: bool = True
    takes_key: bool = False

    @property
    def name(self) -> str:
        """Of the method that answers, and of the body in ``serving.shapes``."""
        return self.path.replace("/", "_").replace("-", "_")

    @property
    def statuses(self) -> tuple[int, ...]:
        """Of all errors."""
        return tuple(sorted({*SITUATION, *self.refusals, *((422,) if self.takes_body else ())}))


POSTED = (
    Route("users", "Keep a patient.", "Again with the same values changes nothing.", answers.UserKept, (409,)),
    Route(
        "withdraw",
        "Keep that a patient withdrew consent.",
        "From then on nothing is decided for the patient and no later reading is kept. The first time counts.",
        answers.UserKept,
        (404,),
    ),
    Route(
        "measurements",
        "Keep a reading of the therapy's instrument.",
        "Again with the same score changes nothing.",
        answers.UserKept,
        (404, 409),
    ),
    Route(
        "recommend",
        "Decide what a patient gets next.",
        "The decision is on disk before it is answered, and counts as given: ask only when you will show.",
        answers.Decision,
        (404,),
        takes_key=True,
    ),
    Route(
        "session-plan",
        "Decide several contents for one session.",
        "Each is a decision of its own, and counts as given for those after it: caps hold across the session.",
        answers.SessionPlan,
        (404,),
        takes_key=True,
    ),
    Route(
        "activate",
        "Keep that a decision's content was shown.",
        "The first time counts.",
        answers.DecisionKept,
        (404,),
    ),
    Route(
        "feedback",
        "Keep what came back after a decision.",
        "Again the same changes nothing.",
        answers.DecisionKept,
        (404, 409),
    ),
    Route(
        "override",
        "Keep that a clinician gives another content than the one decided.",
        "Before the decision's own content is shown. What a rule forbids is refused, unless the therapy lets "
        "clinicians override that rule; caps are told, not enforced. For evaluation it was given with no known "
        "probability.",
        answers.Override,
        (404, 409),
    ),
    Route(
        "plan",
        "Decide for days without network.",
        "Signed. Nothing of it counts as given until it is reconciled.",
        answers.Plan,
        (404,),
        takes_key=True,
    ),
    Route(
        "plan/reconcile",
        "Keep what of a plan was given, and when.",
        "What is given becomes a decision, made and shown at that time. What is not listed does not count.",
        answers.Reconciled,
        (404, 409),
    ),
    Route(
        "rank",
        "Decide for a course that is not kept here.",
        "Nothing is written. The same body, with time and seed, is answered the same.",
        answers.Rank,
    ),
    Route(
        "erase",
        "Remove a patient.",
        "Every row is gone before the answer; what files still hold is removed after it. Again gives the same receipt.",
        answers.Receipt,
        (404,),
    ),
)
TOLD = (
    Route("release", "What is served.", "Digests, therapy, signatures, since when.", answers.Release, takes_body=False),
    Route(
        "therapy",
        "What the therapy declares.",
        "Columns with their kinds, ranges and units, for an app's forms; and the contents of the release.",
        answers.Therapy,
        takes_body=False,
    ),
)
