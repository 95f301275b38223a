"""No body, however odd, makes the service stumble."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CALLS = ("recommend", "rank", "activate", "feedback", "measurements", "users")
ROW = {"decided_at": "2026-02-01T00:00:00Z", "content_id": "slow", "score": 50, "completed": True, "sleep_hours": 5}
READING = {"user_id": "ada", "measured_at": "2026-02-27T00:00:00Z", "instrument": "PHQ9", "score": 5}
WHOLE: dict[str, dict[str, Any]] = {
    "recommend": {"user_id": "ada", "context": {"sleep_hours": 7}, "candidates": ["slow", "deep"], "seed": 1},
    "rank": {
        "user": {"user_id": "ada", "enrolled_at": "2026-01-01T00:00:00Z", "consent": True, "age": 50, "voice": [0.1]},
        "measurements": [READING],
        "sessions": [{**ROW, "feedback_at": "2026-02-01T01:00:00Z", "eligible": ["slow"], "probability": 0.5}],
        "context": {"sleep_hours": 7},
        "candidates": ["slow", "deep"],
        "decided_at": "2026-03-01T00:00:00Z",
        "seed": 1,
    },
    "activate": {"decision_id": "d"},
    "feedback": {"decision_id": "d", "received_at": "2026-03-01T00:00:00Z", "score": 5, "completed": True},
    "measurements": READING,
    "users": {"user_id": "bo", "enrolled_at": "2026-01-01T00:00:00Z", "consent": True, "age": 50, "sex": "male"},
}
TIMES = st.sampled_from(["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-02-30T00:00:00Z", "1969-01-01"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8) | TIMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def nearly_right(draw: st.DrawFn, whole: dict[str, Any]) -> Any:
    """A documented body with one value, at some depth, put in, replaced or taken out."""
    body = json.loads(json.dumps(whole))
    inner: Any = body
    while True:
        key = draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
        if isinstance(inner[key], dict | list) and inner[key] and draw(st.booleans()):
            inner = inner[key]
            continue
        if draw(st.booleans()):
            inner[key] = draw(VALUES)
        else:
            del inner[key]
        return body


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # what one example stores does not hurt the next
)
@given(st.data())
def test_no_body_makes_the_service_stumble(client: Any, enrol: Callable[..., None], data: st.DataObject) -> None:
    enrol("ada")
    call = data.draw(st.sampled_from(CALLS))
    body = data.draw(VALUES | nearly_right(WHOLE[call]))
    response = client.post(f"/v1/{call}", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert response.status_code in {200, 400, 403, 404, 409, 422}
    if response.status_code == 200:
        assert "PREDICTION_FAILED" not in response.json().get("reasons", ())
    else:
        assert set(response.json()) == {"error"}
