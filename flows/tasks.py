"""How a plain function becomes a Prefect task."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from flows.announce import announce
from posology.errors import PosologyError

P = ParamSpec("P")
R = TypeVar("R")
RETRY_SECONDS = 5


def step(title: str, function: Callable[P, R], *, retries: int = 0) -> Task[P, R]:
    """A task under a name people understand; what is wrong with the data is not tried again.

    Args:
        title: as shown in Prefect and to whoever waits.
        function: what it does.
        retries: for steps that reach outside: a store, a database, a server.
    """

    def announced(*args: P.args, **kwargs: P.kwargs) -> R:
        announce(title)
        return function(*args, **kwargs)

    as_task = task(
        name=title,
        retries=retries,
        retry_delay_seconds=RETRY_SECONDS,
        retry_condition_fn=_is_worth_a_retry,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    return as_task(announced)


def _is_worth_a_retry(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    try:
        state.result()
    except PosologyError:
        return False
    except Exception:
        return True
    return False
