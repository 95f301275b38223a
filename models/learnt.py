"""What of the features is learnt, kept together: the one way from a release, or a run, to its features."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import polars as pl

from models.contents import ContentArrays
from models.encoders import NO_ENCODERS, Encoders
from models.features import Features
from models.prior import Prior
from posology.therapy import Therapy

ENCODERS, PRIOR = "encoders", "prior"


@dataclass(frozen=True)
class Learnt:
    """Encoders, and the prior of the belief; None where there was too little to learn one from."""

    encoders: Encoders = NO_ENCODERS
    prior: Prior | None = None

    def features(self, therapy: Therapy, contents: pl.DataFrame) -> Features:
        """The features that were learnt with."""
        return Features(therapy, ContentArrays(therapy, contents), self.encoders, self.prior)

    def save(self, folder: Path) -> None:
        """Write the folders ``encoders`` and ``prior``, those there is something for."""
        if self.encoders.found:
            self.encoders.save(folder / ENCODERS)
        if self.prior:
            self.prior.save(folder / PRIOR)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote.

        Raises:
            CannotDo: encoders that cannot run here.
        """
        prior = folder / PRIOR
        return cls(Encoders.load(folder / ENCODERS), Prior.load(prior) if prior.is_dir() else None)


NOTHING_LEARNT = Learnt()
