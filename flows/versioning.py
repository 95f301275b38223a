"""Snapshots under DVC: the same data, the same version."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from posology.digests import digest_of_file
from posology.files import whole_folder, write_whole

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Kept:
    """A snapshot among those kept: its DVC version (the MD5 of the folder) and the folder."""

    version: str
    folder: Path


def keep_snapshot(snapshot: Path, snapshots: Path) -> Kept:
    """Put a snapshot among those kept.

    Args:
        snapshot: folder with the tables, the therapy and ``manifest.json``.
        snapshots: the folder of all snapshots, a DVC repository of its own without git.
    """
    from dvc.repo import Repo

    name = digest_of_file(snapshot / "manifest.json")[:12]
    _ensure_repository(snapshots)
    kept, note = snapshots / name, snapshots / f"{name}.dvc"
    version = _version(note)
    if version is None:
        note.unlink(missing_ok=True)
        with whole_folder(kept) as partial:
            shutil.copytree(snapshot, partial, dirs_exist_ok=True)
        with Repo(str(snapshots)) as repo:
            repo.add(str(kept))
        version = _version(note)
    return Kept(str(version), kept)


def _ensure_repository(folder: Path) -> None:
    """A DVC repository as a clone of one is: DVC's own ``init`` stopped halfway leaves one that nothing can open."""
    if not (folder / ".dvc").is_dir():
        with whole_folder(folder / ".dvc") as partial:
            write_whole(partial / "config", "[core]\n    no_scm = true\n    analytics = false\n")


def _version(note: Path) -> str | None:
    """What a ``.dvc`` file says; None when it is not there or was cut off while DVC wrote it."""
    try:
        return str(yaml.safe_load(note.read_text(encoding="utf-8"))["outs"][0]["md5"])
    except (FileNotFoundError, yaml.YAMLError, TypeError, KeyError, IndexError):
        return None


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
