"""Watching calls: each counted, logged and, where asked for, traced."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry

from models.release import Release
from posology.errors import Conflict, PosologyError
from serving.watching.call import CURRENT, Call
from serving.watching.metrics import Metrics
from serving.watching.traces import Traces

Answering = Callable[[dict[str, Any], datetime], dict[str, Any]]
TOLD = ("release", "source", "reasons")  # of an answer; nothing else of it leaves by log or trace

log = logging.getLogger("posology.calls")


class Watch:
    """Counts, logs and traces the calls of one process.

    Args:
        metrics: where calls are counted; a registry of its own when None.
        traces: makes and exports spans; nothing when None.

    Attributes:
        store_answers: asks the store; whoever opens it sets this.
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

    def counted(self, name: str, answering: Answering) -> Answering:
        """The call as it is, with its decisions and feedback counted."""

        def answer(body: dict[str, Any], now: datetime) -> dict[str, Any]:
            self._take_up()
            try:
                with self.traces.work(name):
                    answered = answering(body, now)
            except PosologyError as error:
                if name == "feedback":
                    self.metrics.feedback.labels("conflict" if isinstance(error, Conflict) else "refused").inc()
                raise
            self._note(name, answered)
            return answered

        return answer

    def label(self, path: str) -> str:
        """A path as it is counted: one that is served, or ``other``, so that nobody can invent new ones."""
        return path if path in self._paths else "other"

    def end(self, call: Call, status: int) -> dict[str, Any]:
        """Count and log a call that was answered; gives what may be told of it."""
        seconds = time.perf_counter() - call.began
        self.metrics.calls.labels(call.path, status).inc()
        self.metrics.call_seconds.labels(call.path).observe(seconds)
        about = {"release": self._release, **call.about}
        line = {"call": call.path, "status": status, "ms": round(seconds * 1000, 3), **about}
        log.log(logging.WARNING if status >= 500 else logging.INFO, "", extra={"event": "CALL", "about": line})
        return about

    def _take_up(self) -> None:
        call = CURRENT.get()
        if call is not None:
            self.metrics.wait_seconds.observe(time.perf_counter() - call.began)

    def _note(self, name: str, answered: Mapping[str, Any]) -> None:
        call = CURRENT.get()
        if call is not None:
            call.about = {key: answered[key] for key in TOLD if key in answered}
        if "source" in answered:
            self.metrics.decided(name, answered)
        if name == "feedback":
            self.metrics.feedback.labels("received").inc()
