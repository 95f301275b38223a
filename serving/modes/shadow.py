"""A release that decides without being heard: beside the answer, after it, and never in its way."""

import logging
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Thread

import sqlalchemy as sa

from models.release import Release
from serving.alarms import Alarm
from serving.courses import Known
from serving.database import writing
from serving.ranking import answer, decide, where
from serving.records import Considered, Decision
from serving.schema import considered

MOST_WAITING = 1_000  # decisions; those beyond it are not considered, which is logged
AT_ONCE = 50  # in one transaction
GATHERED_SECONDS = 0.1  # so that it does not commit for each decision while the answers' commits wait
ENDED_WITHIN_SECONDS = 5

log = logging.getLogger("posology.serving")
Work = tuple[Decision, Known]


@dataclass
class Shadow:
    """Makes decisions again by a release that does not decide, in a thread of its own, and keeps what came of it.

    Attributes:
        skipped: decisions not considered because too many waited or the store did not answer.
    """

    release: Release
    engine: sa.Engine
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    skipped: int = field(default=0, init=False)
    _waiting: "queue.Queue[Work | None]" = field(default_factory=lambda: queue.Queue(MOST_WAITING), init=False)
    _thread: Thread = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._thread = Thread(target=self._run, name="posology-shadow", daemon=True)
        self._thread.start()

    def consider(self, decision: Decision, known: Known) -> None:
        """Consider a decision that was answered; returns at once.

        Args:
            known: what it was computed from.
        """
        try:
            self._waiting.put_nowait((decision, known))
        except queue.Full:
            self._skip(1, "too many wait")

    def close(self) -> None:
        """Finish what waits, within some seconds."""
        try:
            self._waiting.put(None, timeout=ENDED_WITHIN_SECONDS)
        except queue.Full:
            return
        self._thread.join(ENDED_WITHIN_SECONDS)

    def _run(self) -> None:
        is_open = True
        while is_open:
            works = [self._waiting.get()]
            while works[-1] and len(works) < AT_ONCE and not self._waiting.empty():
                works.append(self._waiting.get())
            is_open = works[-1] is not None
            began = time.monotonic()
            self._consider([work for work in works if work])
            if is_open:
                time.sleep(max(GATHERED_SECONDS, time.monotonic() - began))  # rests as long as it worked

    def _consider(self, works: list[Work]) -> None:
        try:
            if works:
                self._keep([self._considered(*work) for work in works])
        except Exception as error:  # nobody waits for this: the patients have their answers
            self._skip(len(works), where(error))

    def _considered(self, decision: Decision, known: Known) -> Considered:
        choice = decide(
            self.release,
            known.course_for(self.release),
            now=decision.decided_at,
            context=decision.context,
            candidates=decision.candidates,
            seed=decision.seed or 0,
            alarm=Alarm.SHADOW_FAILED,
        )
        told = answer(self.release, choice)
        return Considered(
            decision_id=decision.decision_id,
            release=self.release.name,
            content_id=choice.content_id,
            probability=choice.probability,
            source=choice.source,
            reasons=choice.reasons,
            ranking=tuple(told["ranking"]),
        )

    def _keep(self, found: list[Considered]) -> None:
        known = {"therapy": self.release.therapy.name, "recorded_at": self.clock()}
        with writing(self.engine) as connection:
            connection.execute(considered.insert(), [{**known, **row.as_row()} for row in found])

    def _skip(self, decisions: int, why: str) -> None:
        self.skipped += decisions
        log.warning("shadow of %s: %d decisions were not considered: %s", self.release.name, decisions, why)
