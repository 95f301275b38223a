"""The one folder of everything embedded, and where each thing lives in it."""

import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from flows.leftovers import owner_lock, sweep
from flows.locks import exclusive, is_free
from posology.errors import SettingsError

Kind = Literal["real", "demo"]


@dataclass(frozen=True)
class Home:
    """A home that exists. ``kind`` is written once, when it is made: a demo home never becomes a real one."""

    root: Path
    kind: Kind

    @classmethod
    def open(cls, root: Path) -> "Home":
        """The home at a folder; a real one is made when there is none."""
        return cls._at(root.expanduser().absolute(), otherwise="real")

    @classmethod
    def create_demo(cls, root: Path) -> "Home":
        """A home for a demonstration, where the well-known demo key may sign; refuses any folder in use."""
        root = root.expanduser().absolute()
        if not (root / "home.json").exists() and root.exists() and any(root.iterdir()):
            raise SettingsError(f"{root} is in use; a demo needs a new or empty folder.")
        home = cls._at(root, otherwise="demo")
        if home.kind != "demo":
            raise SettingsError(f"{root} is a real home; a demo needs a folder of its own.")
        return home

    @classmethod
    def _at(cls, root: Path, *, otherwise: Kind) -> "Home":
        root.mkdir(parents=True, exist_ok=True)
        if not (root / "home.json").exists():
            _write_once(root / "home.json", json.dumps({"kind": otherwise}))
        return cls(root, _kind_of(root))

    @property
    def mlflow(self) -> Path:
        """MLflow's database and artifacts."""
        return self.root / "mlflow"

    @property
    def artifacts(self) -> Path:
        """Artifacts of MLflow runs."""
        return self.mlflow / "artifacts"

    @property
    def prefect(self) -> Path:
        """``PREFECT_HOME``: its database, results, log."""
        return self.root / "prefect"

    @property
    def store(self) -> Path:
        """The operational store, when it is SQLite."""
        return self.root / "store.db"

    @property
    def journal(self) -> Path:
        """Where decisions wait, on disk, while the operational store does not take them."""
        return self.root / "store.waiting"

    @property
    def bento(self) -> Path:
        """``BENTOML_HOME``: the bundles."""
        return self.root / "bento"

    @property
    def audit_log(self) -> Path:
        """Who did what and when: ``posology.audit``."""
        return self.root / "audit.jsonl"

    @property
    def keys(self) -> Path:
        """Reviewers' keys."""
        return self.root / "keys"

    @property
    def runs(self) -> Path:
        """What each run of a flow left."""
        return self.root / "runs"

    @property
    def releases(self) -> Path:
        """Copies of releases whose artifacts are elsewhere."""
        return self.root / "releases"

    @property
    def snapshots(self) -> Path:
        """The four tables as each run saw them, versioned by DVC."""
        return self.root / "snapshots"

    @property
    def docs(self) -> Path:
        """Data Docs of the expectations."""
        return self.root / "docs"

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Alone with one thing of this home among all processes; released when the holder dies."""
        return exclusive(self.root / "locks" / f"{name}.lock")

    def is_locked(self, name: str) -> bool:
        """Whether somebody holds that lock now. Prefect's own limits are not released when their holder is killed."""
        return not is_free(self.root / "locks" / f"{name}.lock")

    @contextmanager
    def work_folder(self) -> Iterator[Path]:
        """A folder for passing files, gone when the block ends; a killed run's goes at the next ``sweep``."""
        folder = self.root / "work" / secrets.token_hex(8)
        with exclusive(owner_lock(folder)):
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                owner_lock(folder).unlink()

    def sweep(self) -> list[Path]:
        """Remove what killed runs left behind; gives what was removed or put back."""
        return sweep(self.root, now=time.time())

    def token(self) -> str:
        """The service's token kept in this home (mode 0600), made at the first call."""
        file = self.root / "token"
        if not file.exists():
            _write_once(file, secrets.token_urlsafe(32))
        return file.read_text(encoding="utf-8").strip()


def _kind_of(root: Path) -> Kind:
    try:
        kind = json.loads((root / "home.json").read_text(encoding="utf-8"))["kind"]
    except (ValueError, KeyError, TypeError):
        kind = None
    if kind not in get_args(Kind):
        raise SettingsError(f'{root / "home.json"} is damaged: expected {{"kind": "real"}} or {{"kind": "demo"}}.')
    return kind


def _write_once(target: Path, text: str) -> None:
    """Write a private file unless somebody was quicker; a reader never sees half of it."""
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    partial.touch(mode=0o600, exist_ok=False)
    try:
        partial.write_text(text, encoding="utf-8")
        os.link(partial, target)
    except FileExistsError:
        return
    finally:
        partial.unlink()
