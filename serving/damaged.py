"""A release whose predictors are damaged still gives the safe default."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl

from models.policies.decisions import Decisions
from models.policies.policy import Predictors
from models.release import Release, promised_digests
from posology.errors import CannotDo, PosologyError
from posology.therapy import Therapy
from serving.alarms import ALARMS, Alarm
from serving.ranking import where

NEEDED = ("therapy", "contents")  # what the safe default is made from


class Nobody:
    """The policy of a release that cannot decide."""

    kind: ClassVar[str] = "nobody"

    @property
    def parameters(self) -> dict[str, Any]:
        """None."""
        return {}

    @classmethod
    def of(cls, parameters: Mapping[str, Any], therapy: Therapy, predictors: Predictors) -> Self:  # noqa: ARG003
        """It needs nothing."""
        return cls()

    def probabilities(self, decisions: Decisions) -> np.ndarray:  # noqa: ARG002
        """Refuse, which is answered by the safe default."""
        raise CannotDo("the release was loaded without its predictors")


def load_as_far_as_possible(folder: Path) -> Release:
    """The release; when a file of its predictors is missing or broken, one that gives the safe default only.

    Raises:
        PosologyError: what the safe default is made from, therapy and contents, is missing or not what was signed.
    """
    try:
        return Release.load(folder)
    except (PosologyError, OSError, ValueError, KeyError) as error:
        promised, found = promised_digests(folder)
        if any(promised.get(part) is None or promised[part] != found.get(part) for part in NEEDED):
            raise
        ALARMS.ring(Alarm.RELEASE_DAMAGED, f"{where(error)}: every answer is the safe default")
        return _without_predictors(folder, promised)


def _without_predictors(folder: Path, promised: Mapping[str, str]) -> Release:
    return Release(
        therapy=Therapy.model_validate_json((folder / "therapy.json").read_text()),
        contents=pl.read_parquet(folder / "contents.parquet"),
        feedback=None,
        status=None,
        policy=Nobody(),
        envelope={},
        digests=promised,
    )
