"""The service's log, and the id of a call."""

import io
import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from models.release import Release
from serving import ranking
from serving.watching.logs import OF_BENTOML, OURS, JsonLine, log_as_json

Client = Any
Lines = Callable[[], list[dict[str, Any]]]
ASK = {"user": {"age": 50}, "context": {"sleep_hours": 7}}
MADE_HERE = re.compile(r"[0-9a-f]{32}")


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The service's lines so far, read as JSON."""
    written, logger = io.StringIO(), logging.getLogger("posology")
    handler, level = logging.StreamHandler(written), logger.level
    handler.setFormatter(JsonLine())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_a_call_is_one_line(watched: Callable[..., Client], lines: Lines, release: Release) -> None:
    client = watched()
    answer = client.post("/v1/rank", json=ASK, headers={"X-Request-ID": "req-7"}).json()
    (line,) = lines()
    assert line.pop("time").endswith("+00:00")
    assert line.pop("ms") > 0
    assert line == {
        "level": "INFO",
        "event": "CALL",
        "call": "rank",
        "status": 200,
        "release": release.name,
        "source": answer["source"],
        "reasons": answer["reasons"],
        "request_id": "req-7",
    }


def test_a_recommendations_line_names_the_decision_that_replay_takes(
    watched: Callable[..., Client], live: Callable[[Client], str], lines: Lines
) -> None:
    decision_id = live(watched())
    (line,) = (line for line in lines() if line.get("call") == "recommend")
    assert line["decision_id"] == decision_id
    assert "zoe-1" not in json.dumps(lines())


def test_what_is_logged_while_a_call_is_answered_has_its_id_and_no_errors_text(
    watched: Callable[..., Client], lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("Zq7X")

    monkeypatch.setattr(ranking, "choose", broken)
    watched().post("/v1/rank", json=ASK, headers={"X-Request-ID": "req-7"})
    alarm, call = lines()
    assert (alarm["level"], alarm["event"], alarm["request_id"]) == ("ERROR", "PREDICTION_FAILED", "req-7")
    assert call["reasons"] == ["PREDICTION_FAILED"]
    assert "Zq7X" not in json.dumps([alarm, call])


def test_a_line_stays_one_line_and_an_exception_is_told_by_kind_and_place(lines: Lines) -> None:
    try:
        raise ValueError("Zq7X")
    except ValueError:
        logging.getLogger("posology.serving").exception('two\nlines and "quotes"')
    (line,) = lines()
    assert line["message"] == 'two\nlines and "quotes"'
    assert re.fullmatch(r"ValueError at test_logs\.py:\d+", line["error"])


@pytest.mark.parametrize("given", ["req-7", "A.b_c:d-9", "x" * 64])
def test_the_callers_id_comes_back(watched: Callable[..., Client], given: str) -> None:
    for path in ("/v1/release", "/nowhere"):
        assert watched().get(path, headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", [None, "", "x" * 65, "with a space", 'a"quote', b"caf\xe9", "{}", "a,b"])
def test_an_id_that_is_none_is_replaced(watched: Callable[..., Client], given: Any) -> None:
    headers = {} if given is None else {"X-Request-ID": given}
    assert MADE_HERE.fullmatch(watched().get("/v1/release", headers=headers).headers["x-request-id"])


def test_a_refused_call_has_an_id_too(watched: Callable[..., Client], lines: Lines) -> None:
    refused = watched().post("/v1/rank", json=ASK, headers={"Authorization": "Bearer wrong", "X-Request-ID": "req-7"})
    assert (refused.status_code, refused.headers["x-request-id"]) == (401, "req-7")
    (line,) = lines()
    assert (line["call"], line["status"], line["request_id"]) == ("rank", 401, "req-7")


@pytest.fixture
def loggers_as_before() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("", OURS, *OF_BENTOML)]
    before = [(logger, list(logger.handlers), logger.propagate, logger.level) for logger in loggers]
    with warnings.catch_warnings():
        yield
        logging.captureWarnings(False)
    for logger, handlers, propagates, level in before:
        logger.handlers, logger.propagate = handlers, propagates
        logger.setLevel(level)


@pytest.mark.usefixtures("loggers_as_before")
def test_whoever_speaks_in_the_process_speaks_json_once(capsys: pytest.CaptureFixture[str]) -> None:
    logging.captureWarnings(capture=False)  # a test before may have left them captured, and pytest put them back since
    log_as_json()
    logging.getLogger("posology.serving").error("one")
    logging.getLogger("bentoml").warning("two")
    logging.getLogger("anybody").warning("three")
    warnings.simplefilter("always")
    warnings.warn("four", stacklevel=1)
    logging.getLogger("posology.calls").info("five")
    said = capsys.readouterr()
    spoken = [json.loads(line) for line in said.out.splitlines()]
    assert said.err == ""
    assert [line["level"] for line in spoken] == ["ERROR", "WARNING", "WARNING", "WARNING", "INFO"]
    assert [line["event"] for line in spoken][:3] == ["ALARM", "bentoml", "anybody"]
