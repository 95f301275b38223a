"""The Python client: every call, typed answers, errors with code and field, retries that change nothing."""

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from serving import client as of_client
from serving.client import (
    Client,
    ConflictError,
    InvalidError,
    NoConsentError,
    NotFoundError,
    TokenError,
    UnavailableError,
)

ENROLLED = datetime(2026, 2, 26, 9, tzinfo=UTC)
NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
TOKEN = "a token for tests"


@pytest.fixture
def caller(client_of, tmp_path):
    """A client that calls in process; its own headers are all it sends."""
    http = client_of(plan_key=tmp_path / "plan.key")
    http.headers.pop("Authorization")
    return Client("", TOKEN, http=http)


@pytest.fixture
def ada(caller):
    caller.add_user("ada", enrolled_at=ENROLLED, consent=True, age=50, sex="female")
    caller.add_measurement("ada", measured_at=ENROLLED, instrument="PHQ9", score=12)
    return "ada"


def test_what_the_therapy_declares_is_typed(caller, release):
    therapy = caller.therapy()
    assert (therapy.name, therapy.user["age"].maximum, therapy.user["sex"].values) == ("calm", 110, ["female", "male"])
    assert (therapy.status.better, therapy.feedback.columns["completed"].kind) == ("lower", "boolean")
    assert [row["content_id"] for row in therapy.catalogue] == list(release.content_ids)


def test_a_whole_round(caller, ada, release):
    decision = caller.recommend(ada, {"sleep_hours": 7}, explain=True)
    assert decision.release == caller.release().release == release.name
    assert decision.ranking[0].feedback.low <= decision.ranking[0].feedback.mean
    assert decision.explanation.status[-1].name == "what is usual"
    assert caller.activate(decision.decision_id).decision_id == decision.decision_id
    caller.add_feedback(decision.decision_id, score=80, completed=True)
    session = caller.session_plan(ada, {"sleep_hours": 7}, contents=2)
    last = session.decisions[-1]
    other = next(row.content_id for row in last.ranking if row.eligible and row.content_id != last.content_id)
    assert caller.override(last.decision_id, other, by="Dr. Who", reason="lighter").instead_of == last.content_id
    plan = caller.plan(ada, days=2)
    assert caller.reconcile(plan, {plan.decisions[0].decision_id: NOW}).not_given == 1
    assert caller.reconcile(plan.signed, {plan.decisions[0].decision_id: NOW}).not_given == 1
    ranked = caller.rank({"age": 50}, {"sleep_hours": 7}, seed=3, decided_at=NOW)
    assert ranked.source == "safe_default"
    assert ranked.because == {"NO_FIRST_STATUS": "the patient was never measured"}
    caller.withdraw(ada)
    with pytest.raises(NoConsentError) as refused:
        caller.recommend(ada, {})
    assert (refused.value.status, refused.value.code) == (403, "no_consent")
    assert caller.erase(ada).removed["plans"] == 1


def test_errors_are_exceptions_with_code_and_field(caller, ada):
    with pytest.raises(InvalidError, match=r"context\.sleep_hours: expected a number") as wrong:
        caller.recommend(ada, {"sleep_hours": 30})
    assert (wrong.value.status, wrong.value.code, wrong.value.field) == (422, "invalid", "context.sleep_hours")
    with pytest.raises(NotFoundError):
        caller.recommend("nobody", {})
    with pytest.raises(ConflictError):
        caller.add_measurement(ada, measured_at=ENROLLED, instrument="PHQ9", score=13)
    with pytest.raises(TokenError):
        Client("", "wrong", http=caller._http).recommend(ada, {})
    with pytest.raises(ValueError, match="with its zone"):
        caller.add_measurement(ada, measured_at=datetime(2026, 1, 1), instrument="PHQ9", score=1)  # noqa: DTZ001


class Failing(httpx.BaseTransport):
    """Sends on and loses the first answers, or refuses the first calls."""

    def __init__(self, client, losses):
        self.client, self.losses, self.sent = client, list(losses), []

    def handle_request(self, request):
        answer = self.client.request(
            request.method, request.url.path, content=request.content, headers=dict(request.headers)
        )
        self.sent.append(request.headers.get("Idempotency-Key"))
        loss = self.losses.pop(0) if self.losses else None
        if isinstance(loss, int):
            return httpx.Response(loss, json={"error": {"code": "x", "message": "y"}}, headers={"Retry-After": "1"})
        if loss is not None:
            raise loss
        return httpx.Response(answer.status_code, json=answer.json())


def losing(caller, *losses, tries=4):
    transport, slept = Failing(caller._http, losses), []
    http = httpx.Client(transport=transport, base_url="http://test")
    return Client("", TOKEN, http=http, sleep=slept.append, tries=tries), transport, slept


def test_a_decision_whose_answer_was_lost_is_not_made_twice(caller, ada, sqlite_store):
    retrying, transport, slept = losing(caller, httpx.ReadTimeout("lost"), 503, httpx.ConnectError("gone"))
    decision = retrying.recommend(ada, {"sleep_hours": 7})
    assert len(transport.sent) == 4
    assert len(set(transport.sent)) == 1
    assert slept[1] == 1.0  # as the service said
    assert sqlite_store.snapshot().sessions["decision_id"].to_list() == [decision.decision_id]


def test_what_is_refused_is_not_sent_again(caller, ada):
    retrying, transport, slept = losing(caller)
    with pytest.raises(InvalidError):
        retrying.recommend(ada, {"sleep_hours": 30})
    assert (len(transport.sent), slept) == (1, [])


def test_after_all_tries_the_service_is_unavailable(caller, ada):
    retrying, transport, _ = losing(caller, *[httpx.ReadTimeout("lost")] * 2, tries=2)
    with pytest.raises(UnavailableError) as gone:
        retrying.activate("d")
    assert (gone.value.status, len(transport.sent)) == (0, 2)


def test_a_url_without_its_scheme_is_said_at_once():
    with Client("127.0.0.1:3000", TOKEN) as caller, pytest.raises(ValueError, match="begins with http://"):
        caller.release()


def test_the_client_needs_httpx_and_nothing_of_the_server(tmp_path):
    """Its folder, copied under another name, imports nothing but itself, httpx and the standard library."""
    shutil.copytree(Path(of_client.__file__).parent, tmp_path / "our_client")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import our_client; "
        "heavy = {'serving', 'posology', 'models', 'polars', 'numpy', 'fastapi', 'pydantic', 'sqlalchemy', 'bentoml'}; "
        "assert not heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-I", "-c", program, str(tmp_path)], check=True, cwd=tmp_path)
