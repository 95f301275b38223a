"""Schemathesis draws bodies from the OpenAPI document, right ones and wrong ones: never a 5xx, never an answer
that the document does not describe, never a wrong body taken for a right one."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from serving.routes import POSTED

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
]
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the .random. module inside strategies")  # threads do
PATHS = [f"/v1/{route.path}" for route in POSTED]


def few_or_many(most):
    """Settings of a run: what one example stores does not hurt the next."""
    return settings(max_examples=most, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))


def ask(asked, path, data):
    client, schema, known = asked
    mode = data.draw(st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE]))
    case = data.draw(schema[path]["POST"].as_strategy(generation_mode=mode))
    if mode is GenerationMode.POSITIVE and isinstance(case.body, dict) and path != "/v1/withdraw":
        there = sorted(set(known) & set(case.body))
        case.body.update({name: known[name] for name in there if data.draw(st.booleans())})
    response = case.call(app=client.app, headers=dict(client.headers))
    case.validate_response(response, checks=CHECKS, headers=dict(client.headers))


@pytest.mark.parametrize("path", PATHS)
@few_or_many(6)
@given(st.data())
def test_no_call_breaks_and_every_answer_is_as_documented(asked, path, data):
    ask(asked, path, data)


@pytest.mark.thorough
@pytest.mark.parametrize("path", PATHS)
@few_or_many(60)
@given(st.data())
def test_no_call_breaks_in_many_tries(asked, path, data):
    ask(asked, path, data)
