"""What killed runs left behind in a folder, removed or put back."""

import re
import shutil
from pathlib import Path

from flows.locks import is_free

GRACE_SECONDS = 3600.0
REPLACED = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.old")


def sweep(root: Path, *, now: float, grace_seconds: float = GRACE_SECONDS) -> list[Path]:
    """Remove half-written files and folders and work folders without an owner; gives what was dealt with.

    A folder killed in the middle of being replaced is put back. Whatever was
    touched within the grace may belong to somebody still at work and stays.
    """
    abandoned = [
        path
        for pattern in (".*.partial", ".*.old", "work/*")
        for path in sorted(root.glob(pattern) if "/" in pattern else root.rglob(pattern))
        if path.suffix != ".lock"
        and path.exists()
        and _last_touched(path) < now - grace_seconds
        and _has_no_owner(path)
    ]
    for path in abandoned:
        replaced = REPLACED.fullmatch(path.name)
        if replaced and not (target := path.with_name(replaced["name"])).exists():
            path.rename(target)
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
            owner_lock(path).unlink(missing_ok=True)
        else:
            path.unlink(missing_ok=True)
    return abandoned


def owner_lock(work_folder: Path) -> Path:
    """The lock that the owner of a work folder holds while it lives."""
    return work_folder.with_name(work_folder.name + ".lock")


def _has_no_owner(path: Path) -> bool:
    return path.parent.name != "work" or is_free(owner_lock(path))


def _last_touched(path: Path) -> float:
    return max(one.lstat().st_ctime for one in (path, *path.rglob("*")))
