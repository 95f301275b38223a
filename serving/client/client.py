"""The calls, one method each."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import httpx

from .answers import (
    Decision,
    DecisionKept,
    Override,
    Plan,
    Rank,
    Receipt,
    Reconciled,
    Release,
    SessionPlan,
    Therapy,
    UserKept,
    read_answer,
)
from .errors import CallError, UnavailableError, error_of

Answer = TypeVar("Answer")
Json = Mapping[str, Any]
LONGEST_PAUSE = 8.0  # seconds between two tries


class Client:
    """A service's calls, each tried again when it was not answered; again changes nothing, by the service's rules.

    What makes a new decision is sent with a key of its own, so that a second
    try gets the first one's decision.

    Args:
        url: of the service, for example ``http://127.0.0.1:3000``.
        token: what it knows the app by.
        timeout: seconds that one try may take.
        tries: how often a call is sent at most.
        http: sends instead of an ``httpx.Client`` of its own.
        sleep: waits between tries.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float = 10.0,
        tries: int = 4,
        http: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http = http or httpx.Client(base_url=url, timeout=timeout)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._tries, self._sleep = tries, sleep

    def __enter__(self) -> Self:
        """The client, closed when the block ends."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def add_user(
        self, user_id: str, *, enrolled_at: datetime, consent: bool, site: str | None = None, **columns: Any
    ) -> UserKept:
        """Keep a patient; ``columns`` are the therapy's."""
        own = {"user_id": user_id, "enrolled_at": _text(enrolled_at), "consent": consent, "site": site}
        return self._post("users", UserKept, {**own, **columns})

    def withdraw(self, user_id: str, *, withdrawn_at: datetime | None = None) -> UserKept:
        """Keep that a patient withdrew consent, now when no time is said."""
        return self._post("withdraw", UserKept, {"user_id": user_id, "withdrawn_at": _text(withdrawn_at)})

    def add_measurement(self, user_id: str, *, measured_at: datetime, instrument: str, score: float) -> UserKept:
        """Keep a reading of the therapy's instrument."""
        body = {"user_id": user_id, "measured_at": _text(measured_at), "instrument": instrument, "score": score}
        return self._post("measurements", UserKept, body)

    def recommend(
        self,
        user_id: str,
        context: Json,
        *,
        candidates: Sequence[str] | None = None,
        seed: int | None = None,
        explain: bool = False,
        key: str | None = None,
    ) -> Decision:
        """Decide what a patient gets next.

        Args:
            user_id: of a patient who was added.
            context: the therapy's context columns, as they are now.
            candidates: what the app can show; all when None.
            seed: of the draw; drawn when None.
            explain: whether to say what moved the predictions.
            key: the same key for the same patient is the same decision; a new one for each call when None.
        """
        body = _asked(user_id=user_id, context=context, candidates=candidates, seed=seed, explain=explain)
        return self._post("recommend", Decision, body, key=key or uuid4().hex)

    def session_plan(
        self,
        user_id: str,
        context: Json,
        *,
        contents: int,
        candidates: Sequence[str] | None = None,
        seed: int | None = None,
        explain: bool = False,
        key: str | None = None,
    ) -> SessionPlan:
        """Decide several contents for one session; see ``recommend``."""
        body = _asked(user_id=user_id, context=context, candidates=candidates, seed=seed, explain=explain)
        return self._post("session-plan", SessionPlan, {**body, "contents": contents}, key=key or uuid4().hex)

    def plan(
        self,
        user_id: str,
        *,
        days: int,
        contents_per_day: int = 1,
        starts_at: datetime | None = None,
        context: Json | None = None,
        candidates: Sequence[str] | None = None,
        seed: int | None = None,
        key: str | None = None,
    ) -> Plan:
        """Decide for days without network; say afterwards with ``reconcile`` what was given."""
        body = _asked(user_id=user_id, candidates=candidates, seed=seed)
        more = {"days": days, "contents_per_day": contents_per_day, "starts_at": _text(starts_at), "context": context}
        return self._post("plan", Plan, {**body, **more}, key=key or uuid4().hex)

    def reconcile(self, plan: Plan | str, delivered: Mapping[str, datetime]) -> Reconciled:
        """Keep what of a plan, or of what its ``signed`` said, was given: decision → when."""
        signed = plan if isinstance(plan, str) else plan.signed
        rows = [{"decision_id": decision_id, "at": _text(at)} for decision_id, at in delivered.items()]
        return self._post("plan/reconcile", Reconciled, {"signed": signed, "delivered": rows})

    def rank(
        self,
        user: Json,
        context: Json,
        *,
        measurements: Sequence[Json] = (),
        sessions: Sequence[Json] = (),
        candidates: Sequence[str] | None = None,
        decided_at: datetime | None = None,
        seed: int | None = None,
        explain: bool = False,
    ) -> Rank:
        """Decide for a course that the service does not keep, rows as in the tables; nothing is written."""
        body = _asked(context=context, candidates=candidates, seed=seed, explain=explain)
        rows = {"user": user, "measurements": list(measurements), "sessions": list(sessions)}
        return self._post("rank", Rank, {**body, **rows, "decided_at": _text(decided_at)})

    def activate(self, decision_id: str) -> DecisionKept:
        """Keep that a decision's content was shown."""
        return self._post("activate", DecisionKept, {"decision_id": decision_id})

    def add_feedback(self, decision_id: str, *, received_at: datetime | None = None, **columns: Any) -> DecisionKept:
        """Keep what came back after a decision; ``columns`` are the therapy's."""
        body = {"decision_id": decision_id, "received_at": _text(received_at), **columns}
        return self._post("feedback", DecisionKept, body)

    def override(self, decision_id: str, content_id: str, *, by: str, reason: str) -> Override:
        """Keep that a clinician gives another content than the one decided."""
        body = {"decision_id": decision_id, "content_id": content_id, "by": by, "reason": reason}
        return self._post("override", Override, body)

    def erase(self, user_id: str) -> Receipt:
        """Remove a patient."""
        return self._post("erase", Receipt, {"user_id": user_id})

    def release(self) -> Release:
        """What is served."""
        return self._call("GET", "release", Release)

    def therapy(self) -> Therapy:
        """What the therapy declares: columns for the app's forms, and the contents."""
        return self._call("GET", "therapy", Therapy)

    def _post(self, name: str, kind: type[Answer], body: Json, *, key: str | None = None) -> Answer:
        return self._call(
            "POST", name, kind, body={name: value for name, value in body.items() if value is not None}, key=key
        )

    def _call(
        self, method: str, name: str, kind: type[Answer], *, body: Json | None = None, key: str | None = None
    ) -> Answer:
        headers = self._headers if key is None else {**self._headers, "Idempotency-Key": key}
        for number in range(1, self._tries + 1):
            try:
                response = self._http.request(method, f"/v1/{name}", json=body, headers=headers)
            except httpx.UnsupportedProtocol:
                raise ValueError("expected a url that begins with http:// or https://") from None
            except httpx.TransportError as error:
                failed: CallError = UnavailableError(type(error).__name__, status=0, code="no_answer")
                pause = None
            else:
                if response.is_success:
                    return read_answer(kind, response.json())
                failed, pause = error_of(response.status_code, _json(response)), response.headers.get("Retry-After")
            if number == self._tries or not isinstance(failed, UnavailableError):
                raise failed
            self._sleep(_pause(number, pause))
        raise ValueError("expected one try or more")


def _asked(**values: Any) -> dict[str, Any]:
    candidates = values.get("candidates")
    return {**values, "candidates": None if candidates is None else list(candidates)}


def _text(time: datetime | None) -> str | None:
    if time is None:
        return None
    if time.tzinfo is None:
        raise ValueError("expected a time with its zone")
    return time.astimezone(UTC).isoformat()


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _pause(number: int, told: str | None) -> float:
    """As long as the service says, else twice as long with every try, and never all callers at once."""
    if told is not None and told.isdigit():
        return min(float(told), LONGEST_PAUSE)
    return random.uniform(0.5, 1) * min(0.2 * 2**number, LONGEST_PAUSE)  # noqa: S311 - spreads callers, hides nothing
