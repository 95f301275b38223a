"""Blocks of patients worked on by a Dask cluster, each as a Prefect task."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl

from flows.tasks import step
from posology.blocks import Block

if TYPE_CHECKING:
    from prefect_dask import DaskTaskRunner

Frames = Mapping[Any, pl.DataFrame]
Each = Callable[[Callable[[Block], Frames], Iterable[Block]], Iterable[Frames]]


@contextmanager
def each_block(dask_address: str | None, shared: Path) -> Iterator[Each]:
    """Gives ``map`` over blocks: by the workers of a Dask scheduler or, without one, right here.

    Args:
        dask_address: of the scheduler, for example ``tcp://10.0.0.5:8786``.
        shared: a folder that this process and the workers see; it holds what the workers made until that is read.
    """
    if dask_address is None:
        yield map
        return
    from prefect_dask import DaskTaskRunner

    shared.mkdir(parents=True, exist_ok=True)
    with DaskTaskRunner(address=dask_address) as runner, TemporaryDirectory(dir=shared, prefix=".blocks-") as folder:
        yield partial(_spread, runner, Path(folder))


def _spread(
    runner: "DaskTaskRunner", folder: Path, function: Callable[[Block], Frames], blocks: Iterable[Block]
) -> Iterator[Frames]:
    """What the function makes of each block, in their order; the workers hand it over as files."""
    files = [folder / f"{type(function).__name__}-{number}" for number, _ in enumerate(blocks)]
    futures = [
        runner.submit(work_on_block, {"args": (function, block, target), "kwargs": {}})
        for block, target in zip(blocks, files, strict=True)
    ]
    for target, future in zip(files, futures, strict=True):
        yield {name: pl.read_ipc(target / str(place)) for place, name in enumerate(future.result())}


def _work(function: Callable[[Block], Frames], block: Block, target: Path) -> list[Any]:
    """Write what the function makes of a block; gives the keys."""
    frames = function(block)
    target.mkdir(exist_ok=True)
    for place, rows in enumerate(frames.values()):
        rows.write_ipc(target / str(place), compression="lz4")
    return list(frames)


work_on_block = step("Work on a block of patients", _work, retries=2)
