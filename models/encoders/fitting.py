"""Encoders fitted on what the fitting patients said, wrote or sent before the cut; on nobody else's."""

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from models.encoders.encoder import EXTRA, Encoder, Part, is_installed, vectors_of
from models.encoders.encoders import Encoders, encodable
from models.encoders.projection import LEAST_DIFFERENT, LEAST_VECTORS, Projection, different
from models.split import split_at
from models.targets import Target, target_rows
from posology.blocks import Block
from posology.tables import Tables
from posology.therapy import Column, Therapy

log = logging.getLogger("posology.encoders")

LARGEST_SAMPLE = 5_000  # fitting sessions that are looked at; as many different texts take 5 s
Samples = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class SampledValues:
    """Called with a block: column → ``draw``, ``value`` and ``target`` of some of its fitting sessions.

    Those with the least draws are taken, so that the samples of all blocks hold the sample of all patients. ``value``
    may be null: how many are is part of what is found.

    Attributes:
        as_of: when the data of all patients end.
        target: the target the therapy declares first, which the encodings are to go with.
        cut: the last moment of the past.
    """

    as_of: datetime | None
    target: Target
    cut: datetime | None

    def __call__(self, block: Block) -> Samples:
        therapy, tables = block.therapy, Tables.conform(block.therapy, block.read())
        rows = split_at(target_rows(therapy, tables, self.target, as_of=self.as_of), self.cut)
        drawn = rows.filter(pl.col("part") == "fit").with_columns(
            draw=pl.col("decision_id").map_elements(_draw, return_dtype=pl.UInt64)
        )
        drawn = drawn.sort("draw", "decision_id").head(LARGEST_SAMPLE)
        return {
            name: drawn.select("draw", "target", value=_values(tables, part, name, drawn))
            for part, name, _ in encodable(therapy)
        }


def _draw(decision_id: str) -> int:
    return int.from_bytes(hashlib.sha256(decision_id.encode()).digest()[:8], "big")


def _values(tables: Tables, part: Part, name: str, rows: pl.DataFrame) -> pl.Series:
    """(n,) the column's value at each of the rows."""
    if part in {"context", "feedback"}:
        return tables.sessions[name].gather(rows["session"])
    table, key = (tables.users, "user_id") if part == "user" else (tables.contents, "content_id")
    return rows.select(key).join(table.select(key, name), on=key, how="left", maintain_order="left")[name]


def fit_encoders(therapy: Therapy, samples: Iterable[Samples], files: Path | None) -> Encoders:
    """An encoder for each column that has enough to learn from; of the others, why not.

    Args:
        therapy: declares the columns.
        samples: of every block.
        files: folder that references to files are relative to.
    """
    every = list(samples)
    fitted, found = [], {}
    for part, name, column in encodable(therapy):
        drawn = pl.concat(sample[name] for sample in every).sort("draw").head(LARGEST_SAMPLE)
        encoder, found[name] = _fit(part, name, column, drawn, files)
        fitted += [encoder] if encoder else []
    for name, found_of in found.items():
        if "left_out" in found_of:
            log.warning("%s (%s) is not used by the predictors: %s", name, found_of["kind"], found_of["left_out"])
    return Encoders(tuple(fitted), found)


def _fit(
    part: Part, name: str, column: Column, drawn: pl.DataFrame, files: Path | None
) -> tuple[Encoder | None, dict[str, Any]]:
    """An encoder, or none, and what was found.

    Only what came with feedback is held to the target: there a decision sees earlier answers. A direction learnt from
    the target of the very decisions it then describes would tell the predictors what they are to predict.
    """
    kind: Any = column.kind
    there = drawn.drop_nulls("value")
    found = {"kind": kind, "looked_at": drawn.height, "there": there.height, "readable": 0}
    if not is_installed(kind):
        return None, {**found, "left_out": f"the extra {EXTRA} is not installed"}
    vectors = vectors_of(kind, there["value"], files)
    is_readable = np.isfinite(vectors[:, :1]).any(axis=1)
    found["readable"] = int(is_readable.sum())
    vectors, target = vectors[is_readable], there["target"].to_numpy()[is_readable]
    if obstacle := _obstacle(vectors):
        return None, {**found, "left_out": obstacle}
    if kind == "series":
        return Encoder(name, part, kind, None), found
    is_guided = part == "feedback" and np.ptp(target) > 0
    return Encoder(name, part, kind, Projection.fit(vectors, target if is_guided else None)), found


def _obstacle(vectors: np.ndarray) -> str | None:
    if vectors.shape[0] < LEAST_VECTORS:
        return f"{vectors.shape[0]} that can be read; at least {LEAST_VECTORS} are needed"
    if different(vectors) < LEAST_DIFFERENT:
        return f"fewer than {LEAST_DIFFERENT} different ones"
    return None
