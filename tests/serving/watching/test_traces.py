"""Traces, as a receiver of OpenTelemetry's protocol gets them."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from models.release import Release
from posology.errors import SettingsError
from serving import ranking
from serving.watching.traces import traces_of

Client = Any
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ASK = {"user": {"age": 47.190311}, "context": {"sleep_hours": 6.190311}}


class Receiver(ThreadingHTTPServer):
    """Takes what is exported to ``url``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.came: list[tuple[str, bytes]] = []

    def exported(self) -> list[ExportTraceServiceRequest]:
        """What came, read."""
        assert {path for path, _ in self.came} <= {"/v1/traces"}
        return [ExportTraceServiceRequest.FromString(body) for _, body in self.came]

    def spans(self) -> list[Span]:
        """Every span that came."""
        resources = [resource for request in self.exported() for resource in request.resource_spans]
        return [span for resource in resources for scope in resource.scope_spans for span in scope.spans]


class _Taking(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.came.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def environment(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The standard variables, in this process too, where the exporter reads them."""
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    return told


def attributes(span: Span) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


def test_a_call_is_a_span_of_its_callers_trace_with_the_work_inside_it(
    watched: Callable[..., Client], receiver: Receiver, environment: dict[str, str], release: Release
) -> None:
    traces = traces_of(environment)
    asked = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-ID": "req-7"}
    answer = watched(traces).post("/v1/rank", json=ASK, headers=asked).json()
    traces.close()
    call, work = sorted(receiver.spans(), key=lambda span: span.kind != Span.SPAN_KIND_SERVER)
    assert (call.name, work.name) == ("POST /v1/rank", "rank")
    assert {call.trace_id.hex(), work.trace_id.hex()} == {TRACE}
    assert (call.parent_span_id.hex(), work.parent_span_id) == (PARENT, call.span_id)
    told = attributes(call)
    assert (told["http.route"], told["http.response.status_code"]) == ("/v1/rank", 200)
    assert (told["posology.request_id"], told["posology.release"]) == ("req-7", release.name)
    assert told["posology.source"] == answer["source"]
    resource = receiver.exported()[0].resource_spans[0].resource
    assert {"service.name", "deployment.environment"} <= {each.key for each in resource.attributes}


def test_nothing_of_a_patient_is_in_a_trace(
    watched: Callable[..., Client],
    live: Callable[[Client], str],
    receiver: Receiver,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*arguments: Any, **more: Any) -> None:
        raise ValueError(f"190311 {arguments} {more}")

    traces = traces_of(environment)
    client = watched(traces)
    live(client)
    client.post("/v1/rank?user=zoe-1", json=ASK)
    client.get("/v1/zoe-1")
    monkeypatch.setattr(ranking, "choose", broken)
    client.post("/v1/rank", json=ASK)
    client.post("/v1/recommend", json={"user_id": "zoe-1", "context": {"sleep_hours": 6.190311}})
    traces.close()
    assert len(receiver.spans()) > 10
    for span in receiver.spans():
        assert not [word for word in ("zoe-1", "190311", "a token") if word in str(span)]


def test_a_call_that_fails_is_an_error(
    watched: Callable[..., Client],
    receiver: Receiver,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ValueError

    monkeypatch.setattr("serving.calls.Calls.users", broken)
    traces = traces_of(environment)
    assert watched(traces).post("/v1/users", json={}).status_code == 503
    traces.close()
    of_call = next(span for span in receiver.spans() if span.kind == Span.SPAN_KIND_SERVER)
    assert attributes(of_call)["http.response.status_code"] == 503
    assert of_call.status.code == of_call.status.STATUS_CODE_ERROR


@pytest.mark.parametrize(
    "variables",
    [{}, {"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}],
    ids=["without a receiver", "disabled", "exporter none", "an empty address"],
)
def test_without_a_receiver_nothing_is_made_or_sent(
    watched: Callable[..., Client], receiver: Receiver, environment: dict[str, str], variables: dict[str, str]
) -> None:
    asked = {**environment, **variables} if variables else {"OTEL_SERVICE_NAME": "posology"}
    traces = traces_of(asked)
    assert watched(traces).post("/v1/rank", json=ASK).status_code == 200
    traces.close()
    assert receiver.came == []
    with traces.work("rank") as span:
        assert span is None


def test_another_protocol_is_refused_when_it_would_be_needed() -> None:
    grpc = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    traces_of(grpc).close()
    with pytest.raises(SettingsError, match="http/protobuf"):
        traces_of({**grpc, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"})
