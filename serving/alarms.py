"""What somebody must look at: one line in the log at ERROR, and a count that can be read."""

import logging
import threading
from collections import Counter
from enum import StrEnum

log = logging.getLogger("posology.alarms")


class Alarm(StrEnum):
    """What went wrong. A code keeps its meaning; those that are also a decision's reason stand in its answer."""

    DEADLINE = "DEADLINE"
    """No choice within the deadline: the safe default was answered."""
    PREDICTION_FAILED = "PREDICTION_FAILED"
    """The release could not predict: the safe default was answered."""
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    """The patient's course could not be read: the safe default was answered."""
    INTERNAL_ERROR = "INTERNAL_ERROR"
    """Something else broke: the safe default was answered."""
    JOURNALLED = "JOURNALLED"
    """A decision is in the journal and not yet in the database."""
    NOT_KEPT = "NOT_KEPT"
    """No disk took a decision, and the safe default was answered without decision_id; or none took a plan."""
    NOT_PLACED = "NOT_PLACED"
    """A decision of the journal is of a patient whom the database does not know, or without consent."""
    RELEASE_DAMAGED = "RELEASE_DAMAGED"
    """The release was loaded without its predictors: every answer is the safe default."""
    BESIDE_DAMAGED = "BESIDE_DAMAGED"
    """The release signed for shadow or canary is not what was signed: the champion decides for everybody."""
    SHADOW_FAILED = "SHADOW_FAILED"
    """A release that only watches could not predict: no patient's answer is touched, the comparison lacks it."""


class Alarms:
    """Counts of alarms in this process, for whoever shows them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Alarm] = Counter()

    def ring(self, code: Alarm, about: str) -> None:
        """Log and count.

        Args:
            about: what happened, with ids at most: never a patient's data.
        """
        with self._lock:
            self._counts[code] += 1
        log.error("alarm %s: %s", code, about, extra={"alarm": str(code)})

    def counts(self) -> dict[str, int]:
        """Code → how often, every code named."""
        with self._lock:
            return {str(code): self._counts[code] for code in Alarm}


ALARMS = Alarms()
