"""Snapshots under DVC: the same data, the same version."""

import contextlib
import io
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from posology.digests import digest_of_file
from posology.files import whole_folder

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
    snapshots.mkdir(parents=True, exist_ok=True)
    if not (snapshots / ".dvc").is_dir():
        with contextlib.redirect_stdout(io.StringIO()):  # DVC talks on what is for our answer
            Repo.init(str(snapshots), no_scm=True).close()
    kept = snapshots / name
    if not (snapshots / f"{name}.dvc").is_file():
        with whole_folder(kept) as partial:
            shutil.copytree(snapshot, partial, dirs_exist_ok=True)
        with Repo(str(snapshots)) as repo:
            repo.add(str(kept))
    outs = yaml.safe_load((snapshots / f"{name}.dvc").read_text(encoding="utf-8"))["outs"]
    return Kept(str(outs[0]["md5"]), kept)


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
