"""Who may make which call, over HTTP in process."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import Response

from models.release import Release
from posology.errors import ServiceDown
from serving.access.doorman import Doorman
from serving.access.paths import NOWHERE, KnownPaths
from serving.access.scopes import EVERY_SCOPE, OPEN_PATHS, PATH_TO_SCOPES, Scope
from serving.access.token_table import TokenTable
from serving.access.tokens import Token, draw_token, first_token
from serving.app import create_app
from serving.erasure import pending_erasures
from serving.settings import ServiceSettings
from serving.store import Store

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
FIRST = "the token that the service is started with"
ASK = {"user_id": "ada", "context": {"sleep_hours": 7}}


class Service:
    """An app whose clock and tokens the test moves."""

    def __init__(self, release: Release, store: Store, new_client: Callable[[Any], Any]) -> None:
        self.now, self.table = NOW, TokenTable(store.engine)
        self.doorman = Doorman(first_token(FIRST, NOW), self.table.all, lambda: self.now)
        settings = ServiceSettings(store_url="sqlite:///unused", token=FIRST)
        self.app = create_app(release, store, settings, clock=lambda: self.now, doorman=self.doorman)
        self._client = new_client(self.app)

    def add(self, *scopes: Scope, **more: Any) -> tuple[str, Token]:
        text, token = draw_token("somebody", scopes, self.now, **more)
        self.table.add(token)
        self.doorman.refresh()
        return text, token

    def call(self, path: str, token: str | None, body: Any = None, **headers: str) -> Response:
        allowed = {} if token is None else {"Authorization": f"Bearer {token}"}
        method = "GET" if body is None else "POST"
        return self._client.request(method, path, json=body, headers={**allowed, **headers})


@pytest.fixture
def service(release: Release, sqlite_store: Store, client: Any) -> Service:
    return Service(release, sqlite_store, type(client))


def code(response: Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_every_route_stands_in_the_table_of_paths(service: Service) -> None:
    assert service.app.paths <= PATH_TO_SCOPES.keys() | OPEN_PATHS
    assert not PATH_TO_SCOPES.keys() & OPEN_PATHS


def test_a_token_opens_what_its_scope_names_and_nothing_else(service: Service) -> None:
    text_by_scope = {scope: service.add(scope)[0] for scope in Scope}
    for path, allowed in PATH_TO_SCOPES.items():
        for scope, text in text_by_scope.items():
            came = service.call(path, text, {})
            refused = came.status_code == 403 and code(came)[1] == "missing_scope"
            assert refused is (scope not in allowed), (path, scope)


def test_the_scopes_of_each_call_are_as_documented() -> None:
    paths_of = {scope: {path for path, allowed in PATH_TO_SCOPES.items() if scope in allowed} for scope in Scope}
    assert paths_of[Scope.CLINICIAN] - paths_of[Scope.APP] == {"/v1/override"}
    assert paths_of[Scope.REVIEWER] == {"/v1/release", "/v1/therapy", "/openapi.json", "/metrics"}
    assert paths_of[Scope.OPERATOR] - paths_of[Scope.REVIEWER] == {"/v1/erase"}
    assert all(path.startswith("/v1/") or path == "/openapi.json" for path in paths_of[Scope.APP])


def test_a_refusal_says_which_scope_is_needed(service: Service) -> None:
    text, _ = service.add(Scope.REVIEWER)
    message = service.call("/v1/recommend", text, ASK).json()["error"]["message"]
    assert "app or clinician" in message


def test_a_token_of_several_scopes_opens_what_each_names(service: Service) -> None:
    text, _ = service.add(Scope.REVIEWER, Scope.APP)
    assert code(service.call("/v1/recommend", text, ASK)) == (404, "not_found")
    assert service.call("/v1/release", text).status_code == 200
    assert code(service.call("/v1/erase", text, {})) == (403, "missing_scope")


def test_the_first_token_opens_everything_without_limit(service: Service) -> None:
    assert first_token(FIRST, NOW).scopes == EVERY_SCOPE
    assert {service.call("/v1/release", FIRST).status_code for _ in range(30)} == {200}


def test_a_wrong_token_opens_nothing(service: Service) -> None:
    text, token = service.add(Scope.APP)
    start = text.rpartition("_")[0]
    other = draw_token("other", [Scope.APP], NOW)[0]
    for wrong in (
        None,
        "",
        "x",
        text[:-1],
        text + "x",
        f"{start}_",
        f"{start}_{FIRST}",
        other,
        token.digest,
        FIRST + " ",
    ):
        came = service.call("/v1/release", wrong)
        assert code(came) == (401, "unauthorized"), wrong
        assert came.headers["WWW-Authenticate"] == "Bearer"


def test_a_path_without_a_token_says_nothing_about_itself(service: Service) -> None:
    assert {code(service.call(path, None)) for path in ("/v1/release", "/nothing", "/v1/erase", "//v1/release")} == {
        (401, "unauthorized")
    }


def test_a_revoked_token_opens_nothing_once_it_was_read_again(service: Service) -> None:
    text, token = service.add(Scope.APP)
    assert service.call("/v1/release", text).status_code == 200
    service.table.revoke(token.token_id, service.now)
    service.doorman.refresh()
    assert code(service.call("/v1/release", text)) == (401, "unauthorized")


def test_a_token_ends_by_the_clock_alone(service: Service) -> None:
    text, _ = service.add(Scope.APP, valid_until=NOW + timedelta(minutes=5))
    assert service.call("/v1/release", text).status_code == 200
    service.now = NOW + timedelta(minutes=5)
    assert code(service.call("/v1/release", text)) == (401, "unauthorized")


def test_both_tokens_of_a_rotation_open_until_the_old_one_ends(service: Service) -> None:
    old, token = service.add(Scope.APP)
    new, _ = service.table.rotate(token.token_id, NOW, overlap=timedelta(hours=1))
    service.doorman.refresh()
    assert [service.call("/v1/release", text).status_code for text in (old, new)] == [200, 200]
    service.now = NOW + timedelta(hours=1)
    assert [service.call("/v1/release", text).status_code for text in (old, new)] == [401, 200]


def test_more_calls_than_a_token_may_make_wait_and_others_do_not(service: Service) -> None:
    quick, _ = service.add(Scope.APP, calls_per_second=0.5)
    other, _ = service.add(Scope.APP)
    assert service.call("/v1/release", quick).status_code == 200
    late = service.call("/v1/release", quick)
    assert code(late) == (429, "too_many_requests")
    assert late.headers["Retry-After"] == "2"
    assert service.call("/v1/release", other).status_code == 200


def test_a_limit_survives_a_refresh(service: Service) -> None:
    text, _ = service.add(Scope.APP, calls_per_second=0.01)
    assert service.call("/v1/release", text).status_code == 200
    service.doorman.refresh()
    assert service.call("/v1/release", text).status_code == 429


def test_tokens_are_read_beside_the_calls_and_believed_while_the_store_is_down(
    sqlite_store: Store, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    text, token = draw_token("clinic", [Scope.APP], NOW)
    answers: list[Any] = [[token], ServiceDown("no"), ServiceDown("still"), [token], []]

    def read() -> list[Token]:
        answer = answers.pop(0)
        if isinstance(answer, ServiceDown):
            raise answer
        if not answers:
            doorman.stop()
        return answer

    monkeypatch.setattr("serving.access.doorman.REFRESH_SECONDS", 0.01)
    doorman = Doorman(first_token(FIRST, NOW), read, lambda: NOW)
    came = [f"Bearer {text}".encode()]
    doorman.refresh()
    assert doorman.who(came) == token
    doorman.keep_fresh().join(10)
    assert caplog.text.count("could not be read") == 1
    assert doorman.who(came) is None  # the last reading had none


def test_what_stands_behind_sees_known_paths_only_and_no_query() -> None:
    seen: list[tuple[str, bytes, bytes]] = []

    async def behind(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append((scope["path"], scope["raw_path"], scope["query_string"]))

    for path in (
        "/v1/release",
        "/livez",
        "/v1/release/",
        "//v1/release",
        "/x\nINFO a line of its own",
        "/" + "x" * 9000,
    ):
        call = {"type": "http", "path": path, "raw_path": path.encode(), "query_string": b"user_id=SECRET"}
        asyncio.run(KnownPaths(behind)(call, None, None))  # type: ignore[arg-type]
    assert seen[:2] == [("/v1/release", b"/v1/release", b""), ("/livez", b"/livez", b"")]
    assert set(seen[2:]) == {(NOWHERE, NOWHERE.encode(), b"")}


def test_nothing_but_http_passes(service: Service) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(service.app({"type": "websocket", "path": "/v1/release", "headers": []}, None, send))  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close"}]


def test_until_the_tokens_were_read_once_nobody_is_called_a_stranger() -> None:
    def read() -> list[Token]:
        raise ServiceDown("no")

    doorman = Doorman(first_token(FIRST, NOW), read, lambda: NOW)
    doorman.refresh()
    text, _ = draw_token("clinic", [Scope.APP], NOW)
    with pytest.raises(ServiceDown):
        doorman.who([f"Bearer {text}".encode()])
    assert doorman.who([f"Bearer {FIRST}".encode()]) == first_token(FIRST, NOW)
    assert doorman.who([b"Bearer something else"]) is None


def test_a_service_that_cannot_read_its_tokens_yet_is_unavailable(service: Service, monkeypatch: Any) -> None:
    text, _ = service.add(Scope.APP)
    monkeypatch.setattr(service.doorman, "_known", None)
    came = service.call("/v1/release", text)
    assert code(came) == (503, "unavailable")
    assert came.headers["Retry-After"] == "2"
    assert service.call("/v1/release", FIRST).status_code == 200


def test_a_decision_says_whose_token_asked_for_it(
    service: Service, enrol: Callable[..., None], sqlite_store: Store
) -> None:
    enrol("ada")
    text, token = service.add(Scope.APP)
    for sent, expected in ((text, token.token_id), (FIRST, "first")):
        decision_id = service.call("/v1/recommend", sent, ASK).json()["decision_id"]
        assert sqlite_store.decision(decision_id).token == expected


def test_an_erasure_says_whose_token_asked_for_it(
    service: Service, enrol: Callable[..., None], sqlite_store: Store
) -> None:
    enrol("ada")
    text, token = service.add(Scope.OPERATOR)
    assert service.call("/v1/erase", text, {"user_id": "ada"}).status_code == 200
    assert [erasure.token for erasure in pending_erasures(sqlite_store.engine)] == [token.token_id]
