"""What somebody may send who means ill, byte by byte, to a server that speaks HTTP as BentoML's does."""

import re
import socket
import time
from collections.abc import Callable

import httpx
import pytest

TOKEN = "a token for tests"
KEY = b"Authorization: Bearer a token for tests\r\n"
JSON = b"Content-Type: application/json\r\n"
BODY = b'{"user":{},"context":{}}'


def call(start: bytes, *headers: bytes, body: bytes = BODY, length: int | None = None) -> bytes:
    """A call of ``POST /v1/rank`` unless ``start`` says another."""
    counted = b"Content-Length: %d\r\n" % (len(body) if length is None else length)
    return start + b" HTTP/1.1\r\nHost: x\r\n" + b"".join(headers) + counted + b"\r\n" + body


def answer(port: int, sent: bytes, seconds: float = 30.0) -> tuple[int, bytes]:
    """Status and all that comes back until the server closes or is silent; 0 when it closes without a word."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(seconds)
        came = b""
        try:
            connection.sendall(sent)
            while chunk := connection.recv(65536):
                came += chunk
                head, end, body = came.partition(b"\r\n\r\n")
                told = re.search(rb"content-length: (\d+)", head.lower())
                if end and told and len(body) >= int(told[1]):
                    break
        except (OSError, TimeoutError):
            pass
    return int(came[9:12]) if came else 0, came


RANK = b"POST /v1/rank"
MALFORMED = {
    "two lengths": call(RANK, KEY, JSON, b"Content-Length: 5\r\n"),
    "a length with a sign": call(RANK, KEY, JSON).replace(b"Length: ", b"Length: +"),
    "a length below nothing": call(RANK, KEY, JSON, length=-1),
    "an unknown encoding": call(RANK, KEY, JSON, b"Transfer-Encoding: xchunked\r\n"),
    "two encodings": call(RANK, KEY, JSON, b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
    "a space before the colon": call(RANK, KEY.replace(b":", b" :", 1), JSON),
    "a NUL in a header": call(RANK, KEY, JSON, b"X: a\0b\r\n"),
    "no host": call(RANK, KEY, JSON).replace(b"Host: x\r\n", b""),
    "no version": b"GET /v1/release\r\n\r\n",
    "bytes in the path": call(b"POST /v1/\xff", KEY, JSON),
    "a chunk without a length": call(RANK, KEY, JSON, body=b"zz\r\n").replace(
        b"Content-Length: 4", b"Transfer-Encoding: chunked"
    ),
}
NOT_LET_IN = {
    "no token": call(RANK, JSON),
    "the token twice": call(RANK, KEY, KEY, JSON),
    "another token first": call(RANK, b"Authorization: Bearer x\r\n", KEY, JSON),
    "two tokens in one header": call(RANK, KEY.replace(b"\r\n", b", Bearer x\r\n"), JSON),
    "another kind": call(RANK, KEY.replace(b"Bearer", b"Basic"), JSON),
    "a header that is like it": call(RANK, KEY.replace(b"Authorization", b"Authorization_"), JSON),
    "a header for proxies": call(RANK, b"X-Original-URL: /livez\r\n", b"X-Forwarded-Prefix: /livez\r\n", JSON),
    "a way round by an open path": call(b"GET /livez/../v1/release"),
    "the same, encoded": call(b"GET /livez/%2e%2e/v1/release"),
    "an encoded letter": call(b"GET /v1/%72elease"),
    "an open path as a query": call(b"GET /v1/release?/livez"),
    "an open path before a question mark that is none": call(b"GET /livez%3f/v1/release"),
    "a parameter of the path": call(b"GET /livez;/v1/release"),
    "a whole address": call(b"GET http://elsewhere/v1/release"),
}
NO_SUCH_CALL = {
    "two slashes": call(b"GET //v1/release", KEY),
    "a way up": call(b"GET /v1/../v1/release", KEY),
    "a slash behind": call(b"GET /v1/release/", KEY),
    "capitals": call(b"GET /V1/RELEASE", KEY),
    "another method": call(b"GET /v1/rank", KEY),
    "a method that overrides": call(b"GET /v1/rank", KEY, b"X-HTTP-Method-Override: POST\r\n"),
    "TRACE": call(b"TRACE /v1/release", KEY),
    "a line of its own for the log": call(b"GET /x%0aINFO%20all%20is%20well", KEY),
}


def test_what_is_not_http_is_refused_and_the_connection_closed(port_of: Callable[..., int]) -> None:
    port = port_of()
    assert {name: answer(port, sent)[0] for name, sent in MALFORMED.items()} == dict.fromkeys(MALFORMED, 400)


def test_nobody_gets_in_by_a_side_door(port_of: Callable[..., int]) -> None:
    port = port_of()
    assert {name: answer(port, sent)[0] for name, sent in NOT_LET_IN.items()} == dict.fromkeys(NOT_LET_IN, 401)
    assert {name: answer(port, sent)[0] for name, sent in NO_SUCH_CALL.items()} == dict.fromkeys(NO_SUCH_CALL, 404)
    assert answer(port, call(RANK, KEY, JSON))[0] == 200


def test_headers_without_end_are_cut_off(port_of: Callable[..., int]) -> None:
    port = port_of()
    endless = b"GET /v1/release HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 5_000_000
    assert answer(port, endless)[0] in {0, 400}
    assert answer(port, call(RANK, KEY, JSON))[0] == 200


def test_a_body_that_comes_too_slowly_is_refused_and_its_place_is_free_again(port_of: Callable[..., int]) -> None:
    port = port_of(body_seconds=0.3, max_in_flight=1)
    status, said = answer(port, call(RANK, KEY, JSON, length=len(BODY) + 10))
    assert status == 400
    assert b"within 0.3 s" in said
    assert answer(port, call(RANK, KEY, JSON))[0] == 200


def test_a_caller_who_leaves_in_the_middle_takes_no_place_and_raises_no_alarm(
    port_of: Callable[..., int], caplog: pytest.LogCaptureFixture
) -> None:
    port = port_of(max_in_flight=1)
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(call(RANK, KEY, JSON, length=len(BODY) + 10))
            time.sleep(0.05)
    give_up_at = time.monotonic() + 10
    while (status := answer(port, call(RANK, KEY, JSON))[0]) != 200 and time.monotonic() < give_up_at:
        time.sleep(0.02)
    assert status == 200
    assert not [record for record in caplog.records if record.name == "posology.serving"]


def test_a_body_may_be_as_large_as_the_limit_and_not_larger_in_pieces_or_whole(port_of: Callable[..., int]) -> None:
    port = port_of(max_body_bytes=1_000)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    largest = BODY + b" " * (1_000 - len(BODY))
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False) as client:
        for send in (lambda body: body, lambda body: iter([body[:10], body[10:]])):
            assert client.post("/v1/rank", content=send(largest)).status_code == 200
            assert client.post("/v1/rank", content=send(largest + b" ")).status_code == 400


def test_a_caller_without_a_token_takes_no_place(port_of: Callable[..., int]) -> None:
    port = port_of(max_in_flight=1)
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(call(RANK, JSON, length=len(BODY) + 10))
        assert slow.recv(12) == b"HTTP/1.1 401"
        assert answer(port, call(RANK, KEY, JSON))[0] == 200
