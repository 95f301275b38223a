"""The HTTP face: bodies in, answers out, every error in one form.

A call is found by its method and path in one table: a patient waits for nothing that is looked for.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from models.release import Release
from posology.errors import PosologyError
from serving.access.doorman import Doorman
from serving.access.gate import NO_CALL, Gate
from serving.access.token_table import TokenTable
from serving.access.tokens import first_token
from serving.calls import Calls, moment
from serving.deadline import Deadline
from serving.deciding.again import KEY_HEADER, checked_key
from serving.exchange import header, json_bytes, refusal, send_json
from serving.guards import InFlightLimit
from serving.json_body import read_json
from serving.modes.modes import Modes
from serving.page.page import PAGE_FILES
from serving.plans.signing import PlanKey
from serving.problems import BROKEN, problem_of
from serving.ranking import where
from serving.routes import POSTED, Route
from serving.settings import ServiceSettings
from serving.store import Store
from serving.threads import Threads
from serving.watching.watch import Watch
from serving.watching.watched import Watched

Clock = Callable[[], datetime]
Answer = dict[str, Any]
Answering = Callable[..., Answer]  # body, time, and a key where the route takes one
Run = Callable[..., Awaitable[Answer]]  # of an answering and its arguments
NOW_HEADER = "Posology-Now"
NOW, KEY = NOW_HEADER.lower().encode(), KEY_HEADER.lower().encode()
THREADS = 40  # for calls that have no deadline

log = logging.getLogger("posology.serving")


def utc_now() -> datetime:
    """The system's time."""
    return datetime.now(UTC)


def doorman_of(store: Store, settings: ServiceSettings, *, clock: Clock = utc_now) -> Doorman:
    """Knows the tokens of the store, and the one of the settings."""
    doorman = Doorman(first_token(settings.token.get_secret_value(), clock()), TokenTable(store.engine).all, clock)
    doorman.refresh()
    return doorman


@dataclass(frozen=True)
class App:
    """The calls of one release on one store, and the page to try them, as ASGI.

    Attributes:
        modes: who decides for which patient.
        paths: that are answered.
    """

    modes: Modes
    paths: frozenset[str]
    _guarded: ASGIApp = field(repr=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        else:
            await self._guarded(scope, receive, send)


def create_app(
    release: Release,
    store: Store,
    settings: ServiceSettings,
    *,
    clock: Clock = utc_now,
    doorman: Doorman | None = None,
    watch: Watch | None = None,
) -> App:
    """The ``/v1`` calls on a release and a store, and the page to try them.

    Args:
        doorman: keeps the gate before them; one of its own when None.
        watch: counts, logs and traces the calls; one of its own when None.
    """
    watch = watch or Watch()
    plan_key = PlanKey.open(settings.plan_key) if settings.plan_key else None
    calls = Calls(release, store, clock(), settings.approval, future_is_allowed=settings.demo, plan_key=plan_key)
    modes = calls.modes  # now, so that one that cannot be served does not start
    found = dict(_calls(calls, settings, clock, watch))
    paths = frozenset(path for _, path in found)
    watch.serves(release, paths)
    limited = InFlightLimit(partial(_call_of, found), limit=settings.max_in_flight)
    gate = Gate(limited, doorman=doorman or doorman_of(store, settings, clock=clock))
    return App(modes, paths, Watched(gate, watch=watch))


def _calls(
    calls: Calls, settings: ServiceSettings, clock: Clock, watch: Watch
) -> Iterator[tuple[tuple[str, str], ASGIApp]]:
    """Method and path, and what answers there."""
    in_time, threads = Deadline(settings.deadline_seconds), Threads(THREADS, "posology-calls")

    async def run(call: Answering, *arguments: Any) -> Answer:
        answer: Answer = await threads.run(partial(call, *arguments))
        return answer

    for route in POSTED:
        otherwise = getattr(calls, f"{route.name}_otherwise", None)
        counted = watch.counted(route.path, in_time.guard(otherwise) if otherwise else run)
        yield ("POST", f"/v1/{route.path}"), _posted(route, getattr(calls, route.name), settings, clock, counted)
    for path, told in (("/v1/release", calls.about), ("/v1/therapy", calls.therapy), ("/openapi.json", calls.openapi)):
        yield ("GET", path), _told(told, run)
    for path, file in PAGE_FILES.items():
        yield ("GET", path), file
        yield ("HEAD", path), file


async def _call_of(found: Mapping[tuple[str, str], ASGIApp], scope: Scope, receive: Receive, send: Send) -> None:
    answers = found.get((scope["method"], scope["path"]), refusal(NO_CALL))
    await answers(scope, receive, send)


def _told(told: Callable[[], Answer], run: Run) -> ASGIApp:
    async def answer(_scope: Scope, _receive: Receive) -> Answer:
        return await run(told)

    return _answered(answer)


def _posted(route: Route, call: Answering, settings: ServiceSettings, clock: Clock, run: Run) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive) -> Answer:
        now = moment(header(scope, NOW), clock(), is_demo=settings.demo)
        came = await json_bytes(scope, receive, at_most=settings.max_body_bytes, within=settings.body_seconds)
        keys = (checked_key(header(scope, KEY)),) if route.takes_key else ()
        return await run(call, read_json(came), now, *keys)  # predictions and disks take time: not on the loop

    return _answered(answer)


def _answered(answer: Callable[[Scope, Receive], Awaitable[Answer]]) -> ASGIApp:
    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = orjson.dumps(await answer(scope, receive))
        except PosologyError as error:
            problem = problem_of(error)
            if problem.status == BROKEN.status:
                log.error("%s: %s", scope["path"], where(error))  # a traceback may hold data
        except Exception as error:  # whatever broke, no trace of it may reach the caller
            problem = BROKEN
            log.error("%s: %s", scope["path"], where(error))  # a traceback may hold data
        else:
            await send_json(send, body)
            return
        await refusal(problem)(scope, receive, send)

    return endpoint


async def _live(receive: Receive, send: Send) -> None:
    """Nothing is begun or ended with the server: whoever opened the store closes it."""
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})
