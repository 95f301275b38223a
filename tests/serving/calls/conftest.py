"""The service as its OpenAPI document has it."""

import pytest
import schemathesis


@pytest.fixture
def asked(client_of, enrol, tmp_path):
    """A caller, the schema, and values of what is there."""
    client = client_of(plan_key=tmp_path / "plan.key")
    enrol("ada")
    body = {"user_id": "ada", "context": {"sleep_hours": 7}}
    decision_id = client.post("/v1/recommend", json=body).json()["decision_id"]
    signed = client.post("/v1/plan", json={"user_id": "ada", "days": 2}).json()["signed"]
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    return client, schema, {"user_id": "ada", "decision_id": decision_id, "signed": signed}
