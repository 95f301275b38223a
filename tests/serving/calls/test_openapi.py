"""The OpenAPI document: valid, as the therapy has it, and its examples work."""

import json
from pathlib import Path

import jsonschema
import pytest

from posology.tables import catalogue_of
from posology.therapy_file import load_therapy
from serving.openapi import document_of
from serving.routes import POSTED
from serving.shapes import Bodies

PUBLISHED = Path(__file__).resolve().parents[3] / "docs" / "openapi.json"


@pytest.fixture
def document(client):
    return client.get("/openapi.json").json()


def body_of(document, path):
    return document["paths"][f"/v1/{path}"]["post"]["requestBody"]["content"]["application/json"]


def check(document, schema, value):
    whole = {**schema, "components": document["components"]}
    jsonschema.Draft202012Validator(whole).validate(value)


def test_every_call_has_a_schema_an_example_that_fits_it_and_described_errors(document):
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]) == {f"/v1/{route.path}" for route in POSTED} | {"/v1/release", "/v1/therapy"}
    for path in ("/v1/release", "/v1/therapy"):
        assert "422" not in document["paths"][path]["get"]["responses"]
    told = document["paths"]["/v1/therapy"]["get"]["responses"]["200"]["content"]["application/json"]
    check(document, told["schema"], told["example"])
    for route in POSTED:
        body = body_of(document, route.path)
        jsonschema.Draft202012Validator.check_schema(body["schema"])
        check(document, body["schema"], body["example"])
        responses = document["paths"][f"/v1/{route.path}"]["post"]["responses"]
        assert {"200", "400", "401", "403", "422", "429", "503"} <= set(responses)
        for status in set(responses) - {"200"}:
            told = responses[status]["content"]["application/json"]
            check(document, told["schema"], told["example"])


def test_columns_have_the_ranges_units_and_values_of_the_therapy():
    therapy = load_therapy("mci")
    document = document_of(Bodies(therapy, tuple(row["content_id"] for row in therapy.catalogue)))
    users = body_of(document, "users")["schema"]["properties"]
    assert (users["age"]["minimum"], users["age"]["maximum"], users["age"]["x-unit"]) == (40, 110, "years")
    assert users["sex"] == {"type": ["string", "null"], "enum": ["female", "male", None]}
    score = body_of(document, "measurements")["schema"]["properties"]["score"]
    assert (score["minimum"], score["maximum"]) == (0, 30)
    content = body_of(document, "override")["schema"]["properties"]["content_id"]
    assert "memory_01_pairs" in content["enum"]


def test_what_a_therapy_does_not_declare_is_no_call(clinic):
    bare = clinic.model_copy(update={"status": None})
    document = document_of(Bodies(bare, ("rest", "walk")))
    assert "/v1/measurements" not in document["paths"]
    assert "/v1/feedback" in document["paths"]


def test_every_example_works_and_is_answered_as_the_document_says(client_of, tmp_path):
    client = client_of(plan_key=tmp_path / "plan.key", demo=True)
    document = client.get("/openapi.json").json()
    headers = {"Posology-Now": "2026-11-02T12:00:00Z"}
    known = {}

    def send(path, **more):
        example = body_of(document, path)["example"]
        example = {**example, **{name: value for name, value in known.items() if name in example}, **more}
        answer = client.post(f"/v1/{path}", json=example, headers=headers)
        assert answer.status_code == 200, (path, answer.text)
        schema = document["paths"][f"/v1/{path}"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
        check(document, schema, answer.json())
        return answer.json()

    send("users")
    send("measurements")
    known["decision_id"] = send("recommend")["decision_id"]
    assert "explanation" in send("rank", explain=True)
    send("activate")
    send("feedback", received_at=headers["Posology-Now"])
    send("session-plan")
    plan = send("plan")
    given = {"decision_id": plan["decisions"][0]["decision_id"], "at": plan["decisions"][0]["not_before"]}
    send("plan/reconcile", signed=plan["signed"], delivered=[given])
    last = client.post("/v1/recommend", json=body_of(document, "recommend")["example"], headers=headers).json()
    other = next(each for each in ("slow", "deep") if each != last["content_id"])
    send("override", decision_id=last["decision_id"], content_id=other)
    send("withdraw")
    send("erase")
    for name in ("Release", "Therapy"):
        told = client.get(f"/v1/{name.lower()}").json()
        check(document, {"$ref": f"#/components/schemas/{name}"}, told)


def test_the_published_document_is_that_of_mci():
    therapy = load_therapy("mci")
    made = document_of(Bodies(therapy, tuple(catalogue_of(therapy)["content_id"])))
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert published == made, "run: posology openapi mci --out docs/openapi.json"
