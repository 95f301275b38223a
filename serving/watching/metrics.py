"""What the service counts for Prometheus: calls, decisions, feedback, alarms. No label ever names a patient."""

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serving.alarms import Alarm

SECONDS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


OUTCOMES = ("received", "conflict", "refused", "failed")


class Metrics:
    """The counts of one process; with several workers BentoML's ``/metrics`` adds them up.

    What an alert waits for is there at zero from the start: Prometheus sees no increase in a series that begins at one.

    Args:
        registry: where they are found; None in the service, whose counts are
            read from the files of Prometheus' multiprocess mode.
    """

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self.calls = Counter(
            "posology_calls", "Calls answered, by call and HTTP status.", ["call", "status"], registry=registry
        )
        self.call_seconds = Histogram(
            "posology_call_seconds",
            "Seconds from a call's arrival to its answer.",
            ["call"],
            buckets=SECONDS,
            registry=registry,
        )
        self.wait_seconds = Histogram(
            "posology_wait_seconds",
            "Seconds a call waited in line before anything worked on it.",
            buckets=SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "posology_calls_in_flight",
            "Calls being answered now.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.decisions = Counter(
            "posology_decisions", "Decisions answered, by call and source.", ["call", "source"], registry=registry
        )
        self.reasons = Counter(
            "posology_decision_reasons",
            "Reason codes of the decisions answered.",
            ["call", "reason"],
            registry=registry,
        )
        self.feedback = Counter(
            "posology_feedback", "Feedback that came, by what became of it.", ["outcome"], registry=registry
        )
        self.alarms = Counter(
            "posology_alarms", "What an operator should look at, by code.", ["event"], registry=registry
        )
        self.store_up = Gauge(
            "posology_store_up",
            "Whether the database answered when it was last asked, which every scrape does.",
            multiprocess_mode="livemostrecent",
            registry=registry,
        )
        for outcome in OUTCOMES:
            self.feedback.labels(outcome)
        for code in (*Alarm, "ALARM"):
            self.alarms.labels(str(code))
        self.release_info = Gauge(
            "posology_release_info",
            "1 for the release that is served.",
            ["therapy", "release"],
            multiprocess_mode="livemax",
            registry=registry,
        )

    def decided(self, call: str, answer: Mapping[str, Any]) -> None:
        """Count a decision as it is answered."""
        self.decisions.labels(call, answer["source"]).inc()
        for reason in answer["reasons"]:
            self.reasons.labels(call, reason).inc()
