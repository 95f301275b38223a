"""Data and code by version: folders under DVC, the commit of the checkout."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from posology.errors import CannotDo
from posology.files import whole_folder, write_whole

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 20.0


def add_to_dvc(folder: Path, repo: Any) -> dict[str, Any]:
    """Put a folder of a repository under DVC; gives its version (``md5``), ``size`` in bytes and ``nfiles``."""
    note = note_of(folder)
    if not read_note(note):
        note.unlink(missing_ok=True)
    patiently(repo.add, str(folder))
    return read_note(note)


def patiently(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Do something with a repository; while another DVC command is at work there, wait for it.

    Raises:
        CannotDo: the other one did not end.
    """
    from dvc.lock import LockError

    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return work(*args, **kwargs)
        except LockError:
            if time.monotonic() > give_up_at:
                raise CannotDo("another DVC command is busy with the snapshots; try again when it has ended") from None
            time.sleep(0.2)


def ensure_repository(folder: Path) -> None:
    """A DVC repository as a clone of one is: DVC's own ``init`` stopped halfway leaves one that nothing can open."""
    if not (folder / ".dvc").is_dir():
        with whole_folder(folder / ".dvc") as partial:
            write_whole(partial / "config", "[core]\n    no_scm = true\n    analytics = false\n")


def note_of(folder: Path) -> Path:
    """The ``.dvc`` file of a folder."""
    return folder.with_name(f"{folder.name}.dvc")


def read_note(note: Path) -> dict[str, Any]:
    """What a ``.dvc`` file says; nothing when it is not there or was cut off while DVC wrote it."""
    try:
        out = yaml.safe_load(note.read_text(encoding="utf-8"))["outs"][0]
        return {"md5": str(out["md5"]), "size": int(out["size"]), "nfiles": int(out["nfiles"])}
    except (FileNotFoundError, yaml.YAMLError, TypeError, KeyError, IndexError):
        return {}


def therapy_argument(therapy: str) -> str:
    """A therapy as a flow's parameter: a name as it is, a path from the root."""
    return str(Path(therapy).absolute()) if therapy.endswith((".yaml", ".yml")) else therapy


def git_commit() -> str:
    """The commit of the code that runs, with ``+changes`` when it was changed since."""
    try:
        commit = _git("rev-parse", "HEAD")
        return f"{commit}+changes" if _git("status", "--porcelain", "--untracked-files=no") else commit
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()
