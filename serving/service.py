"""The bundle's service: the ``/v1`` calls under BentoML, which adds health and metrics."""

import os
from pathlib import Path
from typing import Any

import bentoml
from _bentoml_sdk import Service
from starlette.types import ASGIApp, Receive, Scope, Send

from models.release import Release
from posology.errors import ServiceDown
from serving.access.doorman import Doorman
from serving.access.gate import Gate
from serving.access.paths import OF_BENTOML, KnownPaths
from serving.access.scopes import OPEN_PATHS
from serving.app import App, create_app, doorman_of, utc_now
from serving.damaged import load_as_far_as_possible
from serving.draining import Draining, drain_before_end
from serving.exchange import refusal
from serving.opening import open_store
from serving.problems import Problem
from serving.ranking import answer_rank
from serving.settings import read_settings
from serving.tether import end_with_parent
from serving.watching.logs import log_as_json
from serving.watching.process import Scraped, process_watch
from serving.watching.traces import check_protocol

RELEASE = Path(__file__).resolve().parent.parent / "release"  # travels in the bundle beside the code
LAST_MORNING = "2025-12-31T09:00:00Z"
MORNING = {"user": {}, "context": {}, "decided_at": "2026-01-01T09:00:00Z", "seed": 0}


STARTING = Problem(503, "the release is being loaded; try again in a second")


class Door:
    """Has our calls answered by our app once it is there, and the rest by BentoML.

    Our calls do not pass BentoML's own middlewares: they would take as long as
    the half of a decision, and what they count, trace and limit is counted,
    traced and limited by the app.
    """

    app: App | None = None
    doorman: Doorman | None = None

    def before(self, of_bentoml: ASGIApp) -> ASGIApp:
        """What decides who answers."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "lifespan" or scope["path"] in OF_BENTOML:
                await of_bentoml(scope, receive, send)
            else:
                await (self.app or refusal(STARTING))(scope, receive, send)

        return answer


class MetricsGate:
    """The gate before what BentoML answers, such as ``/metrics``; shut until the doorman is there."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, or answer 503 while nobody can say who may call."""
        if door.doorman is not None:
            await Gate(self._app, door.doorman)(scope, receive, send)
        elif scope["type"] == "lifespan" or scope.get("path") in OPEN_PATHS:
            await self._app(scope, receive, send)
        else:
            await refusal(STARTING)(scope, receive, send)


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
        log_as_json(process_watch().metrics)
        drain_before_end()
        settings = read_settings()
        release = load_as_far_as_possible(RELEASE)
        _predict_once(release)
        self.store = open_store(settings, release.therapy)
        door.doorman = doorman_of(self.store, settings)
        door.doorman.keep_fresh()
        door.app = create_app(release, self.store, settings, clock=utc_now, doorman=door.doorman, watch=process_watch())
        self.modes = door.app.modes
        process_watch().store_answers = self._database_answers
        if settings.ready:
            settings.ready.touch()

    @bentoml.on_deployment
    @staticmethod
    def check_settings() -> None:
        """Refuse to start without token or store, before a worker is started again and again."""
        log_as_json()
        read_settings()
        check_protocol(os.environ)

    @bentoml.on_shutdown
    def close(self) -> None:
        """Let go of the store, and send what was watched last."""
        if door.doorman is not None:
            door.doorman.stop()
        self.modes.close()
        self.store.close()
        process_watch().traces.close()

    def __is_ready__(self) -> bool:
        """Whether decisions can be kept: always where there is a journal, else while the database answers.

        A balancer must not take all services away because their database is gone: patients get the safe default.
        BentoML asks in a thread, and only once the release is loaded.
        """
        return self.store.journal is not None or self._database_answers()

    def _database_answers(self) -> bool:
        try:
            self.store.check()
        except ServiceDown:
            return False
        return True


class GuardedService(Service[PosologyService]):
    """A service whose middlewares, BentoML's own too, stand behind ``Draining``, ``KnownPaths`` and the door."""

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """The app that the server runs."""
        return Draining(KnownPaths(door.before(super().to_asgi(is_main=is_main))))


service = bentoml.service(
    name="posology",
    workers=1,
    traffic={"timeout": 30},
    logging={"access": {"enabled": False}},  # calls are logged by ``Watched``
    http={"host": "127.0.0.1"},  # a container is told otherwise, by BENTOML_HOST
    service_class=GuardedService,
)(PosologyService)
service.add_asgi_middleware(MetricsGate)
service.add_asgi_middleware(Scraped)
