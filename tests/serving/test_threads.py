"""Threads: few work at once, and work that hangs does not hold up the rest for long."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from serving.threads import Threads, aside

SOON = 5.0


def run_all(threads: Threads, works: list[Callable[[], Any]]) -> list[Any]:
    async def together() -> list[Any]:
        return list(await asyncio.gather(*(threads.run(work) for work in works)))

    return asyncio.run(together())


def test_no_more_work_at_once_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.threads.PATIENCE_SECONDS", SOON)
    threads, lock, working, most = Threads(8, "few", at_once=2), threading.Lock(), 0, 0

    def work() -> None:
        nonlocal working, most
        with lock:
            working += 1
            most = max(most, working)
        threading.Event().wait(0.001)
        with lock:
            working -= 1

    run_all(threads, [work] * 30)
    assert most <= 2


def test_work_that_waits_for_something_else_lets_the_next_begin() -> None:
    threads, second_came = Threads(8, "aside", at_once=1), threading.Event()

    def first() -> bool:
        with aside():
            return second_came.wait(SOON)

    assert run_all(threads, [first, second_came.set]) == [True, None]


def test_behind_work_that_hangs_others_are_done_all_the_same() -> None:
    threads, last_came = Threads(8, "hangs", at_once=1), threading.Event()
    assert run_all(threads, [lambda: last_came.wait(SOON), last_came.set]) == [True, None]


def test_more_work_than_threads_waits_for_one() -> None:
    threads = Threads(2, "two", at_once=2)
    assert run_all(threads, [lambda nth=nth: nth for nth in range(50)]) == list(range(50))  # type: ignore[misc]
    assert sum(each.name.startswith("two-") for each in threading.enumerate()) <= 2


def test_an_error_is_the_outcome() -> None:
    async def ask() -> BaseException | None:
        future = Threads(1, "error").run(lambda: 1 / 0)
        await asyncio.wait({future})
        return future.exception()

    assert isinstance(asyncio.run(ask()), ZeroDivisionError)


def test_beside_work_that_hangs_a_burst_is_done_to_its_end() -> None:
    threads, came = Threads(3, "burst", at_once=1), threading.Event()

    async def ask() -> int:
        hanging = threads.run(lambda: came.wait(SOON))
        burst = [threads.run(lambda: threading.Event().wait(0.02)) for _ in range(20)]
        done, _ = await asyncio.wait(burst, timeout=SOON)
        came.set()
        await hanging
        return len(done)

    assert asyncio.run(ask()) == 20


def test_work_that_hangs_costs_those_that_come_later_no_time_and_counts_again_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads, came = Threads(3, "later", at_once=1), threading.Event()

    async def ask() -> list[str]:
        hanging = threads.run(lambda: came.wait(SOON))
        await threads.run(lambda: None)  # waits until the first is known to hang
        monkeypatch.setattr("serving.threads.PATIENCE_SECONDS", SOON)
        order: list[str] = []
        for _ in range(3):
            await asyncio.wait_for(threads.run(lambda: order.append("later")), SOON / 2)
        came.set()
        await hanging
        first = threads.run(lambda: threading.Event().wait(0.05) or order.append("first"))
        await asyncio.gather(first, threads.run(lambda: order.append("second")))
        return order

    assert asyncio.run(ask()) == ["later"] * 3 + ["first", "second"]
