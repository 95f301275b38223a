"""Work on many parts in several processes: checking resources keeps a core busy for milliseconds each."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from posology.errors import CannotDo

Part = TypeVar("Part")
Answer = TypeVar("Answer")


def side_by_side(work: Callable[[Part], Answer], parts: Iterable[Part], processes: int) -> Iterator[Answer]:
    """What ``work`` gives for each part, in the order of the parts; with one process, in this one.

    Raises:
        CannotDo: a process was ended from outside.
    """
    if processes == 1:
        yield from map(work, parts)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        try:
            yield from pool.map(work, parts)
        except BrokenProcessPool as error:
            raise CannotDo("a process at work was ended from outside; is memory short? Try again") from error
