"""Where the stages of one run read and write."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from models.targets import Target
from posology.files import write_whole
from posology.tables import FILES, Tables
from posology.therapy import Therapy
from posology.therapy_file import load_therapy


@dataclass(frozen=True)
class Workspace:
    """One folder; every stage reads what earlier ones wrote and writes its own part whole."""

    root: Path

    @property
    def snapshot(self) -> Path:
        """The four tables as they came, with ``manifest.json``."""
        return self.root / "snapshot"

    @property
    def validation(self) -> Path:
        """``accepted/``, ``quarantine/`` and ``validation.json``."""
        return self.root / "validation"

    @property
    def docs(self) -> Path:
        """Data Docs of this validation."""
        return self.root / "docs"

    @property
    def features(self) -> Path:
        """``feedback.parquet``, ``status.parquet``, ``amounts.json``, ``encoders/`` and ``prior/``."""
        return self.root / "features"

    @property
    def files(self) -> Path | None:
        """The pictures that the tables name, if there are any."""
        files = self.snapshot / "tables" / FILES
        return files if files.is_dir() else None

    def training(self, target: Target) -> Path:
        """One folder a kind of predictor, and ``choice.json``."""
        return self.root / f"training-{target}"

    @property
    def policy(self) -> Path:
        """``policy.json`` and ``training.json``."""
        return self.root / "training-policy"

    @property
    def candidate(self) -> Path:
        """The candidate as a release folder, before its evaluation is put to it."""
        return self.root / "candidate"

    @property
    def evaluation(self) -> Path:
        """``guardrails.json``, ``dossier.html``, ``golden.json`` and ``metrics.json``."""
        return self.root / "evaluation"

    @property
    def release(self) -> Path:
        """The release folder."""
        return self.root / "release"

    def accepted(self, therapy: Therapy) -> Tables:
        """The tables that validation let through."""
        return replace(Tables.read(self.validation / "accepted", therapy), files=self.files)

    def therapy(self) -> Therapy:
        """The therapy this run is about, as it was when the run began."""
        return load_therapy(self.snapshot / "therapy.yaml")


def read_json(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, content: Any) -> None:
    """A JSON file, whole or not there."""
    write_whole(path, json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n")
