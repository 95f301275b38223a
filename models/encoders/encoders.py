"""The encoders of a therapy: what a release uses of words, embeddings, pictures and series."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from models.encoders import text
from models.encoders.answers import FOLDED, folded_answers
from models.encoders.encoder import DISTRIBUTIONS, EXTRA, KINDS, PACKAGES, Encoder, Part, is_installed
from models.encoders.projection import Projection
from posology.errors import CannotDo
from posology.files import write_whole
from posology.tables import Tables
from posology.therapy import Column, Therapy

PROBE = "I slept badly and could not concentrate."
TOLERANCE = 1e-4  # of a unit vector's entries: processors differ in the last bits, other weights by far more


def encodable(therapy: Therapy) -> Iterator[tuple[Part, str, Column]]:
    """The columns that the therapy asks to encode."""
    return (each for each in _columns(therapy) if each[2].encode and _can_be_encoded(each))


def not_encoded(therapy: Therapy) -> list[str]:
    """Names of the text, embeddings, pictures and series that it does not, and of pictures of contents."""
    return [each[1] for each in _columns(therapy) if not (each[2].encode and _can_be_encoded(each))]


def _can_be_encoded(column: tuple[Part, str, Column]) -> bool:
    part, _, about = column
    return (part, about.kind) != ("content", "image")


def _columns(therapy: Therapy) -> Iterator[tuple[Part, str, Column]]:
    feedback = therapy.feedback.columns if therapy.feedback else {}
    parts: Mapping[Part, Mapping[str, Column]] = {
        "user": therapy.user,
        "context": therapy.context,
        "content": therapy.content,
        "feedback": feedback,
    }
    for part, columns in parts.items():
        for name, column in columns.items():
            if column.kind in KINDS:
                yield part, name, column


@dataclass(frozen=True)
class Encoders:
    """Fitted encoders, in the order of the therapy's columns.

    Attributes:
        fitted: one for each column that is used.
        found: column → what was found of it when they were fitted, as ``encoders.json`` has it.
    """

    fitted: tuple[Encoder, ...] = ()
    found: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the numbers they give."""
        return tuple(
            name
            for encoder in self.fitted
            for name in (*encoder.names, *(f"{encoder.column}:{each}" for each in _folded(encoder)))
        )

    @property
    def distributions(self) -> tuple[str, ...]:
        """Packages that they run on, beside NumPy."""
        return tuple(sorted({DISTRIBUTIONS[each.kind] for each in self.fitted if each.kind in DISTRIBUTIONS}))

    def columns(
        self, tables: Tables, contents: pl.DataFrame, *, users: np.ndarray, sessions: np.ndarray, places: np.ndarray
    ) -> list[np.ndarray]:
        """The numbers of n rows, each (n,), in the order of ``names``; what was answered is of earlier decisions.

        Args:
            tables: all sessions of their users.
            contents: that the places are in.
            users, sessions, places: (n,) each row's user, session and content.
        """
        rows = {
            "user": (tables.users, users),
            "context": (tables.sessions, sessions),
            "content": (contents, places),
        }
        columns: list[np.ndarray] = []
        for encoder in self.fitted:
            if encoder.part == "feedback":
                answered = encoder.encode(tables.sessions[encoder.column], tables.files)
                columns += list(folded_answers(tables.sessions, answered)[sessions].T)
            else:
                frame, wanted = rows[encoder.part]
                different, back = np.unique(wanted, return_inverse=True)
                columns += list(encoder.encode(frame[encoder.column].gather(different), tables.files)[back].T)
        return columns

    def in_words(self) -> Iterator[str]:
        """What is used, what is not and why, as sentences without any data."""
        for column, found in self.found.items():
            kind = f"{column} ({found['kind']})"
            counts = (
                f"of {found['looked_at']:,} fitting sessions looked at, {found['there']:,} have one and "
                f"{found['readable']:,} can be read"
            )
            if "left_out" in found:
                yield f"{kind} is not used by the predictors: {found['left_out']} ({counts})."
            else:
                yield f"{kind} is used by the predictors through an encoder: {counts}."

    def save(self, folder: Path) -> None:
        """Write ``encoders.json`` and ``projections.npz``, equal bytes for equal encoders."""
        folder.mkdir(parents=True, exist_ok=True)
        about = {
            "fitted": [{"column": each.column, "part": each.part, "kind": each.kind} for each in self.fitted],
            "found": self.found,
        }
        arrays = {
            f"{each.column}.{name}": getattr(each.projection, name)
            for each in self.fitted
            if each.projection
            for name in ("centre", "directions")
        }
        if any(each.kind == "text" for each in self.fitted):
            arrays["probe"] = _probe()
        write_whole(folder / "encoders.json", json.dumps(about, indent=1, sort_keys=True))
        np.savez(folder / "projections.npz", allow_pickle=False, **arrays)

    @classmethod
    def load(cls, folder: Path) -> "Encoders":
        """Read what ``save`` wrote; no encoders where there is no folder.

        Raises:
            CannotDo: the extra they need is not installed, or it encodes otherwise than when they were fitted.
        """
        if not folder.is_dir():
            return cls()
        about = json.loads((folder / "encoders.json").read_text(encoding="utf-8"))
        _refuse_without_extra(folder, {each["kind"] for each in about["fitted"]})
        with np.load(folder / "projections.npz", allow_pickle=False) as arrays:
            if "probe" in arrays and not np.allclose(arrays["probe"], _probe(), atol=TOLERANCE):
                raise CannotDo(
                    f"{folder}: the text encoder of {text.PACKAGE} gives other numbers than when the release was made; "
                    "install the version it was made with, or retrain"
                )
            fitted = [
                Encoder(each["column"], each["part"], each["kind"], _projection(arrays, each["column"]))
                for each in about["fitted"]
            ]
        return cls(tuple(fitted), about["found"])


NO_ENCODERS = Encoders()


def _folded(encoder: Encoder) -> tuple[str, ...]:
    return FOLDED if encoder.part == "feedback" else ()


def _projection(arrays: Mapping[str, np.ndarray], column: str) -> Projection | None:
    if f"{column}.centre" not in arrays:
        return None
    return Projection(arrays[f"{column}.centre"], arrays[f"{column}.directions"])


def _probe() -> np.ndarray:
    vector: np.ndarray = text.vectors_of_texts(pl.Series([PROBE]))[0]
    return vector


def _refuse_without_extra(folder: Path, kinds: set[Any]) -> None:
    if missing := sorted(PACKAGES[kind] for kind in kinds if not is_installed(kind)):
        raise CannotDo(
            f"{folder}: the release reads words or pictures and needs {', '.join(missing)}, which is not installed; "
            f"pip install 'posology[{EXTRA}]'"
        )
