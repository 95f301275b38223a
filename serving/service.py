"""The bundle's service: the ``/v1`` calls under BentoML, which adds health and metrics."""

from pathlib import Path

import bentoml
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from models.release import Release
from posology.errors import CannotDo, ServiceDown
from serving.app import create_app, utc_now
from serving.draining import Draining, drain_before_end
from serving.guards import BearerToken
from serving.modes.modes import Modes
from serving.problems import Problem
from serving.ranking import PREDICTION_FAILED, answer_rank
from serving.settings import read_settings
from serving.store import Store
from serving.tether import end_with_parent

RELEASE = Path(__file__).resolve().parent.parent / "release"  # travels in the bundle beside the code
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


def _refuse_without_predictions(release: Release) -> None:
    """Answer once before anybody asks: it compiles what is compiled, and shows that the release works here."""
    answer = answer_rank(release, {**MORNING, "context": dict.fromkeys(release.therapy.context)})
    if PREDICTION_FAILED in answer["reasons"]:
        raise CannotDo(f"release {release.name} cannot predict here; the log says what broke")


door = Door()


class PosologyService:
    """Loads the release that came with it and answers until it is stopped."""

    def __init__(self) -> None:
        end_with_parent()  # BentoML's supervisor stops its workers, unless it was killed
        drain_before_end()
        settings = read_settings()
        release = Release.load(RELEASE)
        _refuse_without_predictions(release)
        self.store = Store.open(settings.store_url, release.therapy, files=settings.files)
        door.app = app = create_app(release, self.store, settings, clock=utc_now)
        self.modes: Modes = app.state.modes
        if settings.ready:
            settings.ready.touch()

    @bentoml.on_deployment
    @staticmethod
    def check_settings() -> None:
        """Refuse to start without token or store, before a worker is started again and again."""
        read_settings()

    @bentoml.on_shutdown
    def close(self) -> None:
        """Let go of the store."""
        self.modes.close()
        self.store.close()

    def __is_ready__(self) -> bool:
        """Whether the store answers; BentoML asks in a thread, and only once the release is loaded."""
        try:
            self.store.check()
        except ServiceDown:
            return False
        return True


service = bentoml.service(name="posology", workers=1, traffic={"timeout": 30})(PosologyService)
service.mount_asgi_app(door, path="/")
service.add_asgi_middleware(Draining)
service.add_asgi_middleware(TokenOfEnvironment)
