"""What one block of patients adds to the feature tables; all that is pickled to work on it elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from models.features import Features
from models.learnt import Learnt
from models.split import split_at
from models.targets import Target, target_rows, targets_of
from posology.blocks import Block
from posology.tables import Tables, schema_of
from posology.therapy import Therapy

NOT_LOOKED_AT = frozenset({"eligible", "probability", "release"})
Frames = Mapping[Target, pl.DataFrame]


def columns_looked_at(therapy: Therapy) -> dict[str, frozenset[str]]:
    """Table → the columns that features come from, where those are not all."""
    return {"sessions": frozenset(schema_of("sessions", therapy)) - NOT_LOOKED_AT}


@dataclass(frozen=True)
class TimesKnown:
    """Called with a block: ``known_at`` of each row of each target.

    Attributes:
        as_of: when the data of all patients end.
    """

    as_of: datetime | None

    def __call__(self, block: Block) -> Frames:
        tables = Tables.conform(block.therapy, block.read())
        return {
            target: target_rows(block.therapy, tables, target, as_of=self.as_of).select("known_at")
            for target in targets_of(block.therapy)
        }


@dataclass(frozen=True)
class FeatureTables:
    """Called with a block: the feature table of each target.

    Attributes:
        as_of: when the data of all patients end.
        cuts: target → the last moment of the past.
        learnt: what of the features is.
        files: folder of the pictures.
    """

    as_of: datetime | None
    cuts: Mapping[Target, datetime | None]
    learnt: Learnt
    files: Path | None

    def __call__(self, block: Block) -> Frames:
        tables = replace(Tables.conform(block.therapy, block.read()), files=self.files)
        features = self.learnt.features(block.therapy, tables.contents)
        return {target: self._table(features, tables, target) for target in self.cuts}

    def _table(self, features: Features, tables: Tables, target: Target) -> pl.DataFrame:
        wanted = target_rows(features.therapy, tables, target, as_of=self.as_of, unfinished=target == "status")
        rows = split_at(wanted, self.cuts[target]).filter(pl.col("target").is_not_null() | (pl.col("part") != "judge"))
        matrix: np.ndarray = features.of_given(tables, rows["session"].to_numpy())
        described = pl.DataFrame(matrix, schema=list(features.names), orient="row")
        return rows.select("user_id", "decision_id", "content_id", "part", "target").hstack(described)
