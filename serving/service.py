"""The bundle's service: the ``/v1`` calls under BentoML, which adds health and metrics."""

from pathlib import Path
from typing import Any

import bentoml
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from models.release import Release
from posology.errors import ServiceDown
from serving.app import create_app, utc_now
from serving.damaged import load_as_far_as_possible
from serving.guards import BearerToken
from serving.opening import open_store
from serving.problems import Problem
from serving.ranking import answer_rank
from serving.settings import read_settings
from serving.tether import end_with_parent

RELEASE = Path(__file__).resolve().parent.parent / "release"  # travels in the bundle beside the code
LAST_MORNING = "2025-12-31T09:00:00Z"
MORNING = {"user": {}, "context": {}, "decided_at": "2026-01-01T09:00:00Z", "seed": 0}


class Door:
    """An ASGI app that passes calls on once there is an app behind it."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, or answer 503 while the release is being loaded."""
        problem = Problem(503, "the release is being loaded; try again in a second")
        await (self.app or JSONResponse(problem.as_json(), problem.status))(scope, receive, send)


class TokenOfEnvironment(BearerToken):
    """The token for what BentoML itself answers, such as ``/metrics``; read when the server starts."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, read_settings().token.get_secret_value())


def _predict_once(release: Release) -> None:
    """Answer before anybody asks: it compiles what is compiled, and rings when the release does not work here.

    Compiled functions are made for the kinds of arrays they are given, and those of a patient without a reading or
    a session are of another kind.
    """
    therapy = release.therapy
    asked: dict[str, Any] = {**MORNING, "context": dict.fromkeys(therapy.context)}
    answer_rank(release, asked)
    if status := therapy.status:
        reading = {"measured_at": LAST_MORNING, "instrument": status.instrument, "score": status.minimum}
        asked["measurements"] = [reading]
        answer_rank(release, asked)
    session = {"decided_at": LAST_MORNING, "content_id": therapy.safety.safe_default}
    answer_rank(release, {**asked, "sessions": [session]})


door = Door()


class PosologyService:
    """Loads the release that came with it and answers until it is stopped."""

    def __init__(self) -> None:
        end_with_parent()  # BentoML's supervisor stops its workers, unless it was killed
        settings = read_settings()
        release = load_as_far_as_possible(RELEASE)
        _predict_once(release)
        self.store = open_store(settings, release.therapy)
        door.app = create_app(release, self.store, settings, clock=utc_now)

    @bentoml.on_deployment
    @staticmethod
    def check_settings() -> None:
        """Refuse to start without token or store, before a worker is started again and again."""
        read_settings()

    @bentoml.on_shutdown
    def close(self) -> None:
        """Let go of the store."""
        self.store.close()

    def __is_ready__(self) -> bool:
        """Whether decisions can be kept: always where there is a journal, else while the database answers.

        A balancer must not take all services away because their database is gone: patients get the safe default.
        BentoML asks in a thread, and only once the release is loaded.
        """
        if self.store.journal is not None:
            return True
        try:
            self.store.check()
        except ServiceDown:
            return False
        return True


service = bentoml.service(name="posology", workers=1, traffic={"timeout": 30})(PosologyService)
service.mount_asgi_app(door, path="/")
service.add_asgi_middleware(TokenOfEnvironment)
