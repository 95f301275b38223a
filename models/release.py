"""The release: what is approved and served as one thing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from models.contents import ContentArrays
from models.features import Features
from models.predictors.predictor import Predictor
from models.targets import Target
from posology.digests import digest_of_file, digest_of_folder, digest_of_json
from posology.errors import CannotDo, NotFound
from posology.files import whole_folder, write_whole
from posology.therapy import Therapy

FORMAT = 1


@dataclass(frozen=True)
class Release:
    """Therapy, contents, predictors and envelope, each by digest.

    The policy and the shield are in the therapy: objective, exploration and
    safety. A predictor is None where the therapy does not declare its target.
    """

    therapy: Therapy
    contents: pl.DataFrame = field(repr=False)
    feedback: Predictor | None
    status: Predictor | None
    envelope: Mapping[str, Any] = field(repr=False)
    digests: Mapping[str, str] = field(repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 over the digests of the parts."""
        return digest_of_json(dict(self.digests))

    @property
    def name(self) -> str:
        """Therapy and the first twelve digits of the digest, for example ``mci-3fa4c1d2e5b6``."""
        return f"{self.therapy.name}-{self.digest[:12]}"

    @cached_property
    def features(self) -> Features:
        """The feature maker of this release's therapy and contents."""
        return Features(self.therapy, ContentArrays(self.therapy, self.contents))

    @classmethod
    def load(cls, folder: Path) -> "Release":
        """Read a release folder and check that its parts are what its digests say.

        Raises:
            NotFound: no release there.
            CannotDo: a part was changed after the release was made.
        """
        if not (folder / "release.json").is_file():
            raise NotFound(f"{folder}: expected a release folder with release.json")
        about = json.loads((folder / "release.json").read_text())
        found = _digests(folder)
        changed = sorted(part for part in about["digests"] if about["digests"][part] != found.get(part))
        if changed or about["format"] != FORMAT:
            raise CannotDo(
                f"{folder}: {', '.join(changed) or 'format'} differs from release.json; retrain or restore it"
            )
        return cls(
            therapy=Therapy.model_validate_json((folder / "therapy.json").read_text()),
            contents=pl.read_parquet(folder / "contents.parquet"),
            feedback=Predictor.load(folder / "feedback") if (folder / "feedback").is_dir() else None,
            status=Predictor.load(folder / "status") if (folder / "status").is_dir() else None,
            envelope=json.loads((folder / "envelope.json").read_text()),
            digests=found,
        )


def save_release(
    folder: Path,
    *,
    therapy: Therapy,
    contents: pl.DataFrame,
    predictors: Mapping[Target, Predictor],
    envelope: Mapping[str, Any],
) -> Release:
    """Write a release folder, whole or not at all, and read it back."""
    with whole_folder(folder) as partial:
        write_whole(partial / "therapy.json", therapy.model_dump_json(indent=1))
        contents.write_parquet(partial / "contents.parquet")
        write_whole(partial / "envelope.json", json.dumps(envelope, indent=1, sort_keys=True))
        for target, predictor in predictors.items():
            predictor.save(partial / target)
        about = {"format": FORMAT, "therapy": therapy.name, "digests": _digests(partial)}
        write_whole(partial / "release.json", json.dumps(about, indent=1))
    return Release.load(folder)


def _digests(folder: Path) -> dict[str, str]:
    parts = {
        "therapy": digest_of_file(folder / "therapy.json"),
        "contents": digest_of_file(folder / "contents.parquet"),
        "envelope": digest_of_file(folder / "envelope.json"),
    }
    for target in ("feedback", "status"):
        if (folder / target).is_dir():
            parts[target] = digest_of_folder(folder / target)
    return parts
