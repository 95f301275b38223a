"""Decisions made again by several processes: patients apart from one another, told in the order of one process."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

from models.release import Release
from serving.replay import Replayed, Replaying
from serving.replay_all import Part, parts, replay_all, replay_part
from serving.store import Store

AT_ONCE = 4  # patients that a process is given together


def replay_in_processes(folder: Path, store_url: str, jobs: int) -> Iterator[Replayed]:
    """As ``replay_all``, in the same order; each process opens the release and the store once.

    Args:
        folder: of the release.
        jobs: processes; with one, or where there is one patient, it is done here.
    """
    release = Release.load(folder)
    with closing(Store.open(store_url, release.therapy)) as store:
        of_patients = parts(release, store)
        jobs = min(jobs, len(of_patients))
        if jobs <= 1:
            yield from replay_all(release, store)
            return
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_Worker.begin, initargs=(folder, store_url)
    ) as pool:
        for made in pool.map(_Worker.make_again, of_patients, chunksize=AT_ONCE):
            yield from made


class _Worker:
    """One of the processes."""

    _replaying: Replaying

    @classmethod
    def begin(cls, folder: Path, store_url: str) -> None:
        release = Release.load(folder)
        cls._replaying = Replaying(release, Store.open(store_url, release.therapy))

    @classmethod
    def make_again(cls, part: Part) -> list[Replayed]:
        return list(replay_part(cls._replaying, part))
