"""An answer in time, whatever hangs or breaks behind it."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any, Protocol

from posology.errors import PosologyError, ServiceDown
from serving.alarms import ALARMS, Alarm
from serving.ranking import where
from serving.threads import Threads

Answer = dict[str, Any]
DECIDED_BY = 0.7  # of the deadline; the rest is for keeping the decision
KEPT_BY = 0.9
THREADS = 40


class Otherwise(Protocol):
    """What answers instead, and keeps its decision or has no time to."""

    def __call__(self, why: Alarm, *, is_kept: bool) -> Answer:
        """The answer."""
        ...


class GivenUp(Exception):
    """Nobody waits for this answer any more."""


def claim() -> float | None:
    """Say that what was decided will be kept and answered now; gives the seconds for it, if a deadline runs.

    Raises:
        GivenUp: it was answered otherwise.
    """
    attempt = _CURRENT.get()
    if attempt is None:
        return None
    attempt.claim()
    return attempt.left


def part(make: Callable[[], Answer]) -> Answer:
    """A part of an answer, made and kept; should the next be late or break, this one is answered all the same."""
    attempt = _CURRENT.get()
    return make() if attempt is None else attempt.part(make)


def parts() -> list[Answer]:
    """The parts of the answer that were kept before it was answered otherwise."""
    attempt = _CURRENT.get()
    return [] if attempt is None else list(attempt.parts)


class Attempt:
    """One try at an answer. It is claimed by who keeps the decision, or given up by who waits: never both.

    An answer of several decisions is claimed for each in turn; the ``parts`` kept so far are answered in any case.

    """

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._claimed = self._given_up = False
        self.parts: list[Answer] = []

    @property
    def left(self) -> float:
        """Seconds the database has for keeping the decision."""
        return max(0.05, self._ends - time.monotonic())

    def begin(self, decide: Callable[[], Answer]) -> Answer:
        """What ``decide`` answers, unless it is too late to begin."""
        if self._given_up:
            raise GivenUp
        return self.run(decide)

    def run(self, work: Callable[..., Answer], *arguments: Any, **named: Any) -> Answer:
        """What ``work`` answers, as of this attempt."""
        _CURRENT.set(self)
        return work(*arguments, **named)

    def claim(self) -> None:
        """Say that the decision will be kept and answered now; raises ``GivenUp`` when it is too late."""
        with self._lock:
            if self._given_up:
                raise GivenUp
            self._claimed = True

    def part(self, make: Callable[[], Answer]) -> Answer:
        """A part of the answer, which ``make`` keeps; raises ``GivenUp`` when it is too late to begin."""
        if self._given_up:
            raise GivenUp
        made = make()
        with self._lock:
            self.parts.append(made)
            self._claimed = False
        return made

    def give_up(self) -> bool:
        """Say that what is not kept yet is answered otherwise; false when a decision is being kept now."""
        with self._lock:
            self._given_up = True
            return not self._claimed


_CURRENT: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


class Deadline:
    """Runs calls that decide, and answers otherwise when they are late or break.

    A call that hangs keeps its thread. Once every thread hangs, calls are
    answered otherwise at once, until one comes back.
    """

    def __init__(self, seconds: float, *, threads: int = THREADS) -> None:
        self._seconds = seconds
        self._limit = threads
        self._threads = Threads(threads, "posology-deciding")
        self._otherwise = Threads(8, "posology-otherwise")
        self._hanging = 0  # touched on the loop only

    def guard(self, otherwise: Callable[..., Answer]) -> Callable[..., Awaitable[Answer]]:
        """What runs a call on a body at a time, or ``otherwise`` on the same with the reason."""

        async def run(call: Callable[..., Answer], *arguments: Any) -> Answer:
            return await self.answer(partial(call, *arguments), partial(otherwise, *arguments))

        return run

    async def answer(self, decide: Callable[[], Answer], otherwise: Otherwise) -> Answer:
        """What ``decide`` answers, or ``otherwise`` with the reason.

        Args:
            decide: writes only what it did ``claim``.

        Raises:
            PosologyError: what ``decide`` refuses.
        """
        attempt = Attempt(self._seconds * KEPT_BY)
        otherwise = partial(attempt.run, otherwise)
        if self._hanging >= self._limit:
            return await self._otherwise_because(Alarm.DEADLINE, otherwise, "every thread hangs")
        deciding = self._threads.run(partial(attempt.begin, decide))
        await asyncio.wait({deciding}, timeout=self._seconds * DECIDED_BY)
        is_late = not deciding.done() and attempt.give_up()
        if not (is_late or deciding.done()):
            await asyncio.wait({deciding}, timeout=self._seconds)  # it is being kept: at the latest by the journal
        if not deciding.done():
            self._hanging += 1
            deciding.add_done_callback(self._came_back)
        if is_late:
            return await self._otherwise_because(Alarm.DEADLINE, otherwise, f"no choice in {self._seconds:g} s")
        if not deciding.done():
            return _not_kept(Alarm.STORE_UNAVAILABLE, otherwise)
        return await self._outcome(deciding, otherwise)

    async def _outcome(self, deciding: asyncio.Future[Answer], otherwise: Otherwise) -> Answer:
        try:
            return deciding.result()
        except GivenUp:
            return await self._otherwise_because(Alarm.DEADLINE, otherwise, f"not all in {self._seconds:g} s")
        except ServiceDown as error:
            return await self._otherwise_because(Alarm.STORE_UNAVAILABLE, otherwise, str(error))
        except PosologyError:
            raise
        except Exception as error:  # a patient is waiting: whatever broke, the safe default is the answer
            return await self._otherwise_because(Alarm.INTERNAL_ERROR, otherwise, where(error))

    async def _otherwise_because(self, code: Alarm, otherwise: Otherwise, about: str) -> Answer:
        ALARMS.ring(code, f"{about}: safe default")
        answering = self._otherwise.run(partial(otherwise, code, is_kept=True))
        answering.add_done_callback(_look_at)
        await asyncio.wait({answering}, timeout=self._seconds)
        return answering.result() if answering.done() else _not_kept(code, otherwise)

    def _came_back(self, deciding: asyncio.Future[Any]) -> None:
        self._hanging -= 1
        _look_at(deciding)


def _not_kept(code: Alarm, otherwise: Otherwise) -> Answer:
    """The answer when the disk itself hangs."""
    ALARMS.ring(Alarm.NOT_KEPT, "neither database nor journal answers")
    return copy_context().run(partial(otherwise, code, is_kept=False))


def _look_at(future: asyncio.Future[Any]) -> None:
    """See the outcome that nobody may have waited for, so that nobody warns of it."""
    if not future.cancelled():
        future.exception()
