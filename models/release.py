"""The release: what is approved and served as one thing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from models.features import Features
from models.learnt import NOTHING_LEARNT, Learnt
from models.policies.dpo import Dpo
from models.policies.kinds import load_policy, save_policy
from models.policies.policy import Kept
from models.predictors.predictor import Predictor
from models.targets import TARGETS, Target
from posology.digests import digest_of_file, digest_of_folder, digest_of_json
from posology.errors import CannotDo, NotFound
from posology.files import whole_folder, write_whole
from posology.safety import Shield
from posology.tables import Tables
from posology.therapy import Therapy

FORMAT = 2
PARTS = {
    "therapy": "therapy.json",
    "contents": "contents.parquet",
    "envelope": "envelope.json",
    "encoders": "encoders",
    "prior": "prior",
    "feedback": "feedback",
    "status": "status",
    "policy": "policy.json",
}
ALWAYS = ("therapy", "contents", "envelope", "policy")


@dataclass(frozen=True)
class Release:
    """Therapy, contents, what of the features was learnt, predictors, policy and envelope, each by digest.

    The shield is in the therapy, and so are objective and exploration. A
    predictor is None where the therapy does not declare its target.
    """

    therapy: Therapy
    contents: pl.DataFrame = field(repr=False)
    feedback: Predictor | None
    status: Predictor | None
    policy: Kept = field(repr=False)
    envelope: Mapping[str, Any] = field(repr=False)
    digests: Mapping[str, str] = field(repr=False)
    learnt: Learnt = field(default=NOTHING_LEARNT, repr=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the digests of the parts."""
        return digest_of_json(dict(self.digests))

    @cached_property
    def name(self) -> str:
        """Therapy and the first twelve digits of the digest, for example ``mci-3fa4c1d2e5b6``."""
        return f"{self.therapy.name}-{self.digest[:12]}"

    @cached_property
    def features(self) -> Features:
        """The feature maker of this release's therapy and contents."""
        return self.learnt.features(self.therapy, self.contents)

    @cached_property
    def shield(self) -> Shield:
        """The therapy's rules and caps over this release's contents."""
        return Shield(self.therapy, self.contents)

    @cached_property
    def content_ids(self) -> tuple[str, ...]:
        """In the order of the contents table."""
        return tuple(self.contents["content_id"])

    @cached_property
    def place_of(self) -> dict[str, int]:
        """Content id → its place in the contents table."""
        return {content_id: place for place, content_id in enumerate(self.content_ids)}

    @cached_property
    def is_safe_default(self) -> np.ndarray:
        """(1, n_contents) which content it is."""
        is_default = np.zeros((1, len(self.content_ids)), dtype=bool)
        is_default[0, self.place_of[self.therapy.safety.safe_default]] = True
        return is_default

    @cached_property
    def turn(self) -> np.ndarray:
        """(n_contents,) each content's turn when they are sorted by id."""
        return np.argsort(np.argsort(np.array(self.content_ids, dtype=object)))

    @cached_property
    def nobody(self) -> Tables:
        """The tables of a release that serves: its contents, and no patients."""
        return replace(Tables.from_rows(self.therapy), contents=self.contents)

    @classmethod
    def load(cls, folder: Path) -> "Release":
        """Read a release folder and check that its parts are what its digests say.

        Raises:
            NotFound: no release there.
            CannotDo: a part was changed after the release was made, or its encoders cannot run here.
        """
        about, found = _about(folder), _digests(folder)
        promised = dict.fromkeys(ALWAYS, "") | about["digests"]
        changed = sorted(part for part in promised | found if promised.get(part) != found.get(part))
        if changed or about["format"] != FORMAT:
            raise CannotDo(
                f"{folder}: {', '.join(changed) or 'format'} differs from release.json; retrain or restore it"
            )
        therapy = Therapy.model_validate_json((folder / "therapy.json").read_text())
        predictors = {target: Predictor.load(folder / target) for target in TARGETS if (folder / target).is_dir()}
        return cls(
            therapy=therapy,
            contents=pl.read_parquet(folder / "contents.parquet"),
            feedback=predictors.get("feedback"),
            status=predictors.get("status"),
            policy=load_policy(folder / "policy.json", therapy, predictors),
            envelope=json.loads((folder / "envelope.json").read_text()),
            digests=found,
            learnt=Learnt.load(folder),
        )


def save_release(
    folder: Path,
    *,
    therapy: Therapy,
    contents: pl.DataFrame,
    predictors: Mapping[Target, Predictor],
    envelope: Mapping[str, Any],
    learnt: Learnt = NOTHING_LEARNT,
    policy: Kept | None = None,
) -> Release:
    """Write a release folder, whole or not at all, and read it back.

    Args:
        folder: where.
        therapy: what is treated by it.
        contents: what may be given.
        predictors: those there are.
        envelope: what retraining may change.
        learnt: what the predictors' features were made with.
        policy: what chooses; ``Dpo`` by the therapy's objective when not given.
    """
    with whole_folder(folder) as partial:
        write_whole(partial / "therapy.json", therapy.model_dump_json(indent=1))
        contents.write_parquet(partial / "contents.parquet")
        write_whole(partial / "envelope.json", json.dumps(envelope, indent=1, sort_keys=True))
        learnt.save(partial)
        for target, predictor in predictors.items():
            predictor.save(partial / target)
        save_policy(partial / "policy.json", policy or Dpo(therapy, predictors.get("feedback")))
        about = {"format": FORMAT, "therapy": therapy.name, "digests": _digests(partial)}
        write_whole(partial / "release.json", json.dumps(about, indent=1))
    return Release.load(folder)


def promised_digests(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Part → digest, as ``release.json`` says and as the files are now.

    Raises:
        NotFound: no release there.
        CannotDo: ``release.json`` is not what retrain writes.
    """
    return _about(folder)["digests"], _digests(folder)


def _about(folder: Path) -> dict[str, Any]:
    """``release.json``."""
    path = folder / "release.json"
    if not path.is_file():
        raise NotFound(f"{folder}: expected a release folder with release.json")
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        return {"format": about["format"], "digests": dict(about["digests"])}
    except (ValueError, TypeError, KeyError) as error:
        raise CannotDo(f"{path}: expected what retrain writes, with format and digests; restore it") from error


def _digests(folder: Path) -> dict[str, str]:
    """Part → SHA-256, of the parts that are there."""
    paths = {part: folder / name for part, name in PARTS.items()}
    return {
        part: digest_of_folder(path) if path.is_dir() else digest_of_file(path)
        for part, path in paths.items()
        if path.exists()
    }
