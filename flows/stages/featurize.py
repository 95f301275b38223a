"""Featurize: courses folded into one feature table a target, with each patient's part."""

import polars as pl

from flows.params import Params
from flows.workspace import Workspace, write_json
from models.contents import ContentArrays
from models.features import Features
from models.split import SHARES, split
from models.targets import Target, target_rows, targets_of
from posology.errors import TooSmall
from posology.files import whole_folder
from posology.tables import Tables


def featurize(workspace: Workspace, params: Params) -> None:
    """Write a feature table for each target, and how much data each part holds.

    Raises:
        TooSmall: fewer patients with a known outcome than there are parts.
    """
    therapy = workspace.therapy()
    tables = workspace.accepted(therapy)
    features = Features(therapy, ContentArrays(therapy, tables.contents))
    with whole_folder(workspace.features) as partial:
        amounts = {}
        for target in targets_of(therapy):
            rows = split(target_rows(therapy, tables, target), past_share=params.split.past_share)
            _feature_table(features, tables, rows).write_parquet(partial / f"{target}.parquet")
            amounts[target] = _amounts(rows)
        _check_size(amounts, tables)
        write_json(partial / "amounts.json", amounts)


def _feature_table(features: Features, tables: Tables, rows: pl.DataFrame) -> pl.DataFrame:
    matrix = features.of_given(tables, rows["session"].to_numpy())
    described = pl.DataFrame(matrix, schema=list(features.names), orient="row")
    return rows.select("user_id", "decision_id", "content_id", "part", "target").hstack(described)


def _amounts(rows: pl.DataFrame) -> dict[str, dict[str, int]]:
    counted = {part: rows.filter(pl.col("part") == part) for part, _ in SHARES}
    return {
        part: {"patients": part_rows["user_id"].n_unique(), "sessions": part_rows.height}
        for part, part_rows in counted.items()
    }


def _check_size(amounts: dict[Target, dict[str, dict[str, int]]], tables: Tables) -> None:
    most = max(sum(part["patients"] for part in parts.values()) for parts in amounts.values())
    if most < len(SHARES):
        raise TooSmall(
            f"a cohort of {tables.users.height} patients, {most} of them with a known outcome, is too small to "
            f"split into {', '.join(part for part, _ in SHARES)}; collect more (some 100 make a start)"
        )
