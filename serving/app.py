"""The HTTP face: bodies in, answers out, every error in one form."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette import routing
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from models.release import Release
from posology.errors import PosologyError
from serving.access.doorman import Doorman
from serving.access.gate import NO_CALL, Gate
from serving.access.token_table import TokenTable
from serving.access.tokens import first_token
from serving.calls import Calls, moment
from serving.deadline import Deadline
from serving.deciding.again import KEY_HEADER, checked_key
from serving.guards import InFlightLimit
from serving.json_body import read_json
from serving.page.page import add_page
from serving.plans.signing import PlanKey
from serving.problems import BROKEN, Problem, RequestError, problem_of
from serving.ranking import where
from serving.routes import POSTED, Route
from serving.settings import ServiceSettings
from serving.store import Store
from serving.watching.watch import Watch
from serving.watching.watched import Watched

Clock = Callable[[], datetime]
Answering = Callable[..., dict[str, Any]]  # body, time, and a key where the route takes one
NOW_HEADER = "Posology-Now"

log = logging.getLogger("posology.serving")


def utc_now() -> datetime:
    """The system's time."""
    return datetime.now(UTC)


def doorman_of(store: Store, settings: ServiceSettings, *, clock: Clock = utc_now) -> Doorman:
    """Knows the tokens of the store, and the one of the settings."""
    doorman = Doorman(first_token(settings.token.get_secret_value(), clock()), TokenTable(store.engine).all, clock)
    doorman.refresh()
    return doorman


def create_app(
    release: Release,
    store: Store,
    settings: ServiceSettings,
    *,
    clock: Clock = utc_now,
    doorman: Doorman | None = None,
    watch: Watch | None = None,
) -> FastAPI:
    """The ``/v1`` calls on a release and a store, and the page to try them.

    Args:
        doorman: keeps the gate before them; one of its own when None.
        watch: counts, logs and traces the calls; one of its own when None.
    """
    watch = watch or Watch()
    app = FastAPI(title="posology", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.add_middleware(InFlightLimit, limit=settings.max_in_flight)
    app.add_middleware(Gate, doorman=doorman or doorman_of(store, settings, clock=clock))
    app.add_exception_handler(HTTPException, _no_such_call)
    plan_key = PlanKey.open(settings.plan_key) if settings.plan_key else None
    calls = Calls(release, store, clock(), settings.approval, future_is_allowed=settings.demo, plan_key=plan_key)
    app.state.modes = calls.modes  # now, so that one that cannot be served does not start
    in_time = Deadline(settings.deadline_seconds)
    for route in POSTED:
        otherwise = getattr(calls, f"{route.name}_otherwise", None)
        run = in_time.guard(otherwise) if otherwise else run_in_threadpool
        answering = _endpoint(route, getattr(calls, route.name), settings, clock, watch.counted(route.path, run))
        app.add_api_route(f"/v1/{route.path}", answering, methods=["POST"])
    for path, told in (("/v1/release", calls.about), ("/v1/therapy", calls.therapy), ("/openapi.json", calls.openapi)):
        app.add_api_route(path, _told(told), methods=["GET"])
    add_page(app)
    watch.serves(release, (found.path for found in app.routes if isinstance(found, routing.Route)))
    app.add_middleware(Watched, watch=watch)
    return app


def _told(told: Callable[[], dict[str, Any]]) -> Callable[[Request], Awaitable[Response]]:
    return _answered(lambda _: run_in_threadpool(told))


def _endpoint(
    route: Route,
    call: Answering,
    settings: ServiceSettings,
    clock: Clock,
    run: Callable[..., Awaitable[dict[str, Any]]],
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> dict[str, Any]:
        now = moment(request.headers.get(NOW_HEADER), clock(), is_demo=settings.demo)
        body = read_json(await _bytes(request, settings))
        keys = (checked_key(request.headers.get(KEY_HEADER)),) if route.takes_key else ()
        return await run(call, body, now, *keys)  # predictions and disks take time: not on the loop

    return _answered(answer)


def _answered(
    answer: Callable[[Request], Awaitable[dict[str, Any]]],
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return Response(orjson.dumps(await answer(request)), media_type="application/json")
        except PosologyError as error:
            problem = problem_of(error)
            if problem.status == BROKEN.status:
                log.error("%s: %s", request.url.path, where(error))  # a traceback may hold data
        except Exception as error:  # whatever broke, no trace of it may reach the caller
            problem = BROKEN
            log.error("%s: %s", request.url.path, where(error))  # a traceback may hold data
        return _refusal(problem)

    return endpoint


async def _bytes(request: Request, settings: ServiceSettings) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RequestError("expected Content-Type: application/json", status=400)
    try:
        async with asyncio.timeout(settings.body_seconds):
            return await _at_most(request, settings.max_body_bytes)
    except TimeoutError:
        raise RequestError(f"expected the whole body within {settings.body_seconds:g} s", status=400) from None
    except ClientDisconnect:
        raise RequestError("expected a whole body", status=400) from None  # nobody reads it, but it is no alarm


async def _at_most(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise RequestError(f"expected a body of at most {limit} bytes", status=400)
    return bytes(body)


async def _no_such_call(_request: Request, _error: Exception) -> JSONResponse:
    return _refusal(NO_CALL)


def _refusal(problem: Problem) -> JSONResponse:
    return JSONResponse(problem.as_json(), problem.status)
