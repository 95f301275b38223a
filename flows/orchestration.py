"""Prefect around a block: a server to speak with, and nothing of it left behind."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

from flows.home import Home
from flows.quiet import prefect_environment
from flows.servers import prefect_server
from flows.settings import Settings

LOG_SECONDS = 5.0  # for the last log lines to reach the server before it stops


@contextmanager
def orchestrated(home: Home, settings: Settings, *, meanwhile: Callable[[], object] | None = None) -> Iterator[str]:
    """The address of the Prefect server that flows in this block report to.

    Import flows inside the block only: Prefect reads its settings when it is
    imported.

    Args:
        meanwhile: what to do while the server starts, which takes seconds of another process. What goes wrong in it
            is left to whoever needs its outcome.
    """
    with ThreadPoolExecutor(max_workers=1) as beside:
        done = [beside.submit(meanwhile)] if meanwhile else []
        with prefect_server(home, settings) as address:
            wait(done)  # two threads that import the same modules could meet halfway
            with _reporting_to(address, home):
                yield address


@contextmanager
def _reporting_to(address: str, home: Home) -> Iterator[None]:
    os.environ.update(prefect_environment(home.prefect, address))
    from prefect.logging.handlers import APILogWorker
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    # The heartbeat costs every flow a second at its end and matters to flows that outlive their process only.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        try:
            yield
        finally:
            APILogWorker.drain_all(timeout=LOG_SECONDS)
