"""Watching calls: each counted, logged and, where asked for, traced."""

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry

from models.release import Release
from posology.errors import Conflict, PosologyError, ServiceDown
from serving.watching.call import CURRENT, Call
from serving.watching.metrics import Metrics
from serving.watching.traces import Traces

Answer = dict[str, Any]
Answering = Callable[..., Answer]
Run = Callable[..., Awaitable[Answer]]
TOLD = ("decision_id", "release", "source", "reasons")  # of an answer; nothing else of it leaves by log or trace

log = logging.getLogger("posology.calls")


class Watch:
    """Counts, logs and traces the calls of one process.

    Args:
        metrics: where calls are counted; a registry of its own when None.
        traces: makes and exports spans; nothing when None.

    Attributes:
        store_answers: asks the database; whoever opens it sets this.
    """

    def __init__(self, metrics: Metrics | None = None, traces: Traces | None = None) -> None:
        self.metrics = metrics or Metrics(CollectorRegistry())
        self.traces = traces or Traces()
        self.store_answers: Callable[[], bool] = lambda: False
        self._paths: frozenset[str] = frozenset()
        self._release: str | None = None

    def serves(self, release: Release, paths: Iterable[str]) -> None:
        """Tell what is served from now on, and at which paths."""
        if self._release:
            self.metrics.release_info.labels(release.therapy.name, self._release).set(0)
        self._release, self._paths = release.name, frozenset(paths)
        self.metrics.release_info.labels(release.therapy.name, release.name).set(1)

    def counted(self, name: str, run: Run) -> Run:
        """What runs a call, with the decisions and feedback counted that it answers.

        What is answered counts, be it the call's answer or, too late for that, another one.
        """

        async def run_counted(answering: Answering, *arguments: Any) -> Answer:
            try:
                answered = await run(self._working(name, answering), *arguments)
            except Exception as error:
                if name == "feedback":
                    self.metrics.feedback.labels(_outcome(error)).inc()
                raise
            self._note(name, answered)
            return answered

        return run_counted

    def label(self, path: str) -> str:
        """A path as it is counted: one that is served, or ``other``, so that nobody can invent new ones."""
        return path if path in self._paths else "other"

    def end(self, call: Call, status: int) -> dict[str, Any]:
        """Count and log a call that was answered; gives what may be told of it."""
        seconds = time.perf_counter() - call.began
        self.metrics.calls.labels(call.name, status).inc()
        self.metrics.call_seconds.labels(call.name).observe(seconds)
        about = {"release": self._release, **call.about}
        line = {"call": call.name, "status": status, "ms": round(seconds * 1000, 3), **about}
        log.log(logging.WARNING if status >= 500 else logging.INFO, "", extra={"event": "CALL", "about": line})
        return about

    def _working(self, name: str, answering: Answering) -> Answering:
        def work(*arguments: Any) -> Answer:
            if call := CURRENT.get():
                self.metrics.wait_seconds.observe(time.perf_counter() - call.began)
            with self.traces.work(name):
                return answering(*arguments)

        return work

    def _note(self, name: str, answered: Answer) -> None:
        if call := CURRENT.get():
            call.about = {key: answered[key] for key in TOLD if key in answered}
        for decision in _decisions(answered):
            self.metrics.decided(name, decision)
        if name == "feedback":
            self.metrics.feedback.labels("received").inc()


def _decisions(answered: Answer) -> Iterator[Mapping[str, Any]]:
    """Each decision of an answer: itself, or those of a plan for a session."""
    for each in (answered, *answered.get("decisions", ())):
        if isinstance(each, Mapping) and "source" in each:
            yield each


def _outcome(error: Exception) -> str:
    if isinstance(error, Conflict):
        return "conflict"
    return "refused" if isinstance(error, PosologyError) and not isinstance(error, ServiceDown) else "failed"
