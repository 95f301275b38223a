"""What killed runs left behind in a folder, removed or put back."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from flows.locks import is_free

GRACE_SECONDS = 3600.0
LEFTOVER = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.(?P<kind>partial|old)")


def sweep(root: Path, *, now: float, grace_seconds: float = GRACE_SECONDS) -> list[Path]:
    """Remove half-written files and folders and work folders without an owner; gives what was dealt with.

    A folder killed in the middle of being replaced is put back at once.
    Whatever was touched within the grace may belong to somebody still at work
    and stays.
    """
    leftovers = list(_leftovers(root))
    back = [target for path in leftovers if (target := _put_back(path))]
    old = [path for path in leftovers if _is_older_than(path, now - grace_seconds)]
    for path in old:
        _remove(path)
    abandoned = [path for path in _work_folders(root) if _is_older_than(path, now - grace_seconds) and _is_free(path)]
    for path in abandoned:
        _remove(path)
        owner_lock(path).unlink(missing_ok=True)
    return back + old + abandoned


def owner_lock(work_folder: Path) -> Path:
    """The lock that the owner of a work folder holds while it lives."""
    return work_folder.with_name(work_folder.name + ".lock")


def _leftovers(root: Path) -> Iterator[Path]:
    """All but those in work folders, which go with their owner. What vanishes meanwhile ``os.walk`` passes over."""
    for folder, folders, files in os.walk(root):
        found = [name for name in (*folders, *files) if LEFTOVER.fullmatch(name)]
        folders[:] = [name for name in folders if name not in found and Path(folder, name) != root / "work"]
        yield from (Path(folder, name) for name in found)


def _work_folders(root: Path) -> list[Path]:
    return [path for path in (root / "work").glob("*") if path.suffix != ".lock"]


def _put_back(path: Path) -> Path | None:
    """Where a folder is now that was moved aside for a successor that never came."""
    leftover = LEFTOVER.fullmatch(path.name)
    if leftover and leftover["kind"] == "old" and not (target := path.with_name(leftover["name"])).exists():
        with suppress(OSError):  # the successor came after all
            path.rename(target)
            return target
    return None


def _is_older_than(path: Path, time: float) -> bool:
    try:
        return max(one.lstat().st_ctime for one in (path, *path.rglob("*"))) < time
    except OSError:  # somebody is at work on it
        return False


def _is_free(work_folder: Path) -> bool:
    return is_free(owner_lock(work_folder))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
