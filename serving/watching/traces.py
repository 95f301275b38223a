"""Traces, sent where the standard variables of OpenTelemetry say; without them nothing is made or sent."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from starlette.types import Scope

from posology.errors import SettingsError
from serving.watching.call import Call

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SPOKEN = "http/protobuf"
QUIET: dict[str, Any] = {"record_exception": False, "set_status_on_exception": False}  # its text may hold data


class Traces:
    """The spans of one process: one for each call, and one inside it for the work on it."""

    def __init__(self, provider: "TracerProvider | None" = None) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("posology") if provider else None

    def begin(self, call: Call, scope: Scope) -> "Span | None":
        """The span of a call, under its caller's when ``traceparent`` names one."""
        if self._tracer is None:
            return None
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        method = scope["method"]
        return self._tracer.start_span(
            f"{method} {call.path}",
            extract(headers),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": method,
                "http.route": call.path,
                "posology.request_id": call.request_id,
            },
        )

    def within(self, span: "Span | None") -> AbstractContextManager[object]:
        """A block whose spans lie inside this one."""
        if span is None:
            return nullcontext()
        from opentelemetry.trace import use_span

        return use_span(span, **QUIET)

    def work(self, name: str) -> AbstractContextManager[object]:
        """A block of work as a span."""
        return self._tracer.start_as_current_span(name, **QUIET) if self._tracer else nullcontext()

    def end(self, span: "Span | None", status: int, about: Mapping[str, Any]) -> None:
        """End a call's span and say how it went."""
        if span is None:
            return
        from opentelemetry.trace import StatusCode

        span.set_attribute("http.response.status_code", status)
        span.set_attributes({f"posology.{name}": value for name, value in about.items() if value})
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end()

    def close(self) -> None:
        """Send what was not sent yet."""
        if self._provider:
            self._provider.shutdown()


def check_protocol(environment: Mapping[str, str]) -> None:
    """Raise ``SettingsError`` when the variables ask for another protocol than OTLP over HTTP, as protobuf."""
    protocol = next((environment[name] for name in PROTOCOLS if environment.get(name)), SPOKEN)
    if _are_wanted(environment) and protocol != SPOKEN:
        raise SettingsError(f"{PROTOCOLS[1]}: expected {SPOKEN}, which this service speaks; got {protocol}")


def traces_of(environment: Mapping[str, str]) -> Traces:
    """What makes and exports spans as the environment says; nothing when it names no receiver.

    Raises:
        SettingsError: the variables ask for another protocol.
    """
    check_protocol(environment)
    if not _are_wanted(environment):
        return Traces()

    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = Resource({"service.name": "posology"}).merge(OTELResourceDetector().detect())  # OTEL_SERVICE_NAME wins
    provider = TracerProvider(resource=named)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(provider)


def _are_wanted(environment: Mapping[str, str]) -> bool:
    is_off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return any(map(environment.get, ENDPOINTS)) and not is_off and environment.get("OTEL_TRACES_EXPORTER") != "none"
