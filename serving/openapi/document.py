"""One OpenAPI 3.1 document: every call with schema and example as the therapy has them."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from serving.openapi.components import ERROR, answer_schemas
from serving.openapi.examples import example_of
from serving.problems import CODES
from serving.routes import POSTED, TOLD, Route
from serving.shapes import Bodies, Object

SCHEMA = "#/components/schemas/"
MEANINGS = {
    400: "not JSON, not one object, too large, or a header that cannot be",
    401: "no token that is known",
    403: "the patient has not consented, or not any more; or the token may not make this call",
    404: "no such patient, decision or plan",
    409: "it is there with other values",
    422: "a field is missing, unknown or wrong; it is named",
    429: "too many calls at once; Retry-After says when to come again",
    503: "not ready, or it broke; sending it again is safe",
}
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Any text that is new for each request of a patient: sent again, it gets the same decision again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[ -~]+$"},
}


def document_of(bodies: Bodies) -> dict[str, Any]:
    """The document for a therapy and the contents that are served."""
    therapy = bodies.therapy
    taken = {route: getattr(bodies, route.name) for route in POSTED}
    posted = {f"/v1/{route.path}": {"post": _posted(route, body)} for route, body in taken.items() if body is not None}
    told = {f"/v1/{route.path}": {"get": _operation(route, **example_of(route.name, bodies))} for route in TOLD}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"posology: {therapy.title}",
            "version": version("posology"),
            "description": f"The decisions of therapy {therapy.name}, version {therapy.version}. "
            "Times are ISO 8601 with their zone. An optional field may be null or left out.",
        },
        "paths": {**posted, **told},
        "components": {
            "schemas": {"Error": ERROR, **answer_schemas(SCHEMA)},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _posted(route: Route, body: Object) -> dict[str, Any]:
    content = {"application/json": {"schema": body.schema, "example": body.example}}
    parameters = {"parameters": [KEY]} if route.takes_key else {}
    return {**_operation(route), **parameters, "requestBody": {"required": True, "content": content}}


def _operation(route: Route, **example: Any) -> dict[str, Any]:
    return {
        "operationId": route.name,
        "summary": route.summary,
        "description": route.about,
        "responses": {"200": _success(route, example), **{str(status): _refused(status) for status in route.statuses}},
    }


def _success(route: Route, example: Mapping[str, Any]) -> Mapping[str, Any]:
    schema = {"$ref": f"{SCHEMA}{route.answer.__name__}"}
    return {"description": "done", "content": {"application/json": {"schema": schema, **example}}}


def _refused(status: int) -> Mapping[str, Any]:
    example = {"error": {"code": CODES[status], "message": MEANINGS[status]}}
    content = {"application/json": {"schema": {"$ref": f"{SCHEMA}Error"}, "example": example}}
    return {"description": MEANINGS[status], "content": content}
