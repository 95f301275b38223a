"""The service's log: one JSON object a line, and never a patient's data."""

import json
import logging
import sys
from datetime import UTC, datetime

from serving.ranking import where
from serving.watching.call import CURRENT
from serving.watching.metrics import Metrics

OURS = "posology"
OF_BENTOML = ("bentoml", "uvicorn.error", "circus")  # each has a handler of its own, which writes plain text
ALARMS = ("posology.serving", "posology.alarms")


class JsonLine(logging.Formatter):
    """A record as JSON: ``time``, ``level``, ``event``, what the record brings, ``request_id``, ``message``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line. Of an error only its kind and place: its text may hold data."""
        call = CURRENT.get()
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "event": event_of(record),
            **getattr(record, "about", {}),
            **({"request_id": call.request_id} if call else {}),
        }
        if message := record.getMessage():
            line["message"] = message
        if record.exc_info and record.exc_info[1]:
            line["error"] = where(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)


class AlarmCount(logging.Handler):
    """Counts what is logged as an error by the service's own code, by its ``event``."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__(logging.ERROR)
        self._metrics = metrics

    def emit(self, record: logging.LogRecord) -> None:
        """Count one."""
        if is_alarm(record):
            self._metrics.alarms.labels(event_of(record)).inc()


def is_alarm(record: logging.LogRecord) -> bool:
    """Whether an operator should look: an error that the service's own code logged."""
    return record.levelno >= logging.ERROR and record.name.startswith(ALARMS)


def event_of(record: logging.LogRecord) -> str:
    """The code of what happened: one of ``serving.alarms`` where it is an alarm with a code."""
    code = getattr(record, "event", None) or getattr(record, "alarm", None)
    return str(code) if code else "ALARM" if is_alarm(record) else record.name


def log_as_json(metrics: Metrics | None = None) -> None:
    """Write every line of this process as JSON to standard output, and count alarms where metrics are given."""
    to_output = logging.StreamHandler(sys.stdout)
    to_output.setFormatter(JsonLine())
    handlers: list[logging.Handler] = [to_output] if metrics is None else [to_output, AlarmCount(metrics)]
    for name in ("", OURS, *OF_BENTOML):
        logger = logging.getLogger(name)
        logger.handlers = list(handlers)
        logger.propagate = False
    logging.getLogger(OURS).setLevel(logging.INFO)
    logging.captureWarnings(True)
