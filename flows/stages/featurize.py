"""Featurize: courses folded into one feature table a target, with each patient's part, block by block of patients."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from flows.params import Params
from flows.workspace import Workspace, write_json
from models.block_features import FeatureTables, Frames, TimesKnown, columns_looked_at
from models.contents import ContentArrays
from models.encoders import NO_ENCODERS, Encoders
from models.encoders.encoders import encodable
from models.encoders.fitting import SampledValues, fit_encoders
from models.learnt import Learnt
from models.prior import Prior
from models.prior_fitting import MOST_SESSIONS, SampledAnswers, fit_prior
from models.split import SHARES, time_cut
from models.targets import Target, targets_of
from posology.blocks import Block, planned_blocks
from posology.errors import TooSmall
from posology.files import whole_folder
from posology.growing import GrowingTable, growing_table
from posology.tables import as_of_folder

PATIENTS_PER_BLOCK = 2_000  # some 200,000 sessions: 250 MB with their features
Made = Mapping[Any, pl.DataFrame]
Each = Callable[[Callable[[Block], Made], Iterable[Block]], Iterable[Made]]
Amounts = dict[Target, dict[str, dict[str, int]]]


def featurize(
    workspace: Workspace, params: Params, each: Each = map, *, patients_per_block: int = PATIENTS_PER_BLOCK
) -> None:
    """Write a feature table for each target, how much data each part holds, and what of the features was learnt.

    Args:
        workspace: holds the accepted tables.
        params: where the past ends.
        each: applies a function to the blocks and gives what comes of them in their order, as ``map`` does.
        patients_per_block: folded at a time; what is written does not depend on it.

    Raises:
        TooSmall: fewer patients with a known outcome than there are parts.
    """
    therapy, folder = workspace.therapy(), workspace.validation / "accepted"
    as_of, columns = as_of_folder(folder, therapy), columns_looked_at(therapy)
    with (
        planned_blocks(folder, therapy, patients_per_block=patients_per_block, columns=columns) as blocks,
        whole_folder(workspace.features) as partial,
    ):
        known = list(each(TimesKnown(as_of), blocks))
        cuts = {
            target: time_cut(pl.concat(times[target] for times in known), past_share=params.split.past_share)
            for target in targets_of(therapy)
        }
        contents = ContentArrays(therapy, pl.read_parquet(folder / "contents.parquet"))
        learner = _Learner(contents, each, blocks, as_of, min((cut for cut in cuts.values() if cut), default=None))
        sessions = sum(times["feedback"].height for times in known) if "feedback" in cuts else 0
        learnt = Learnt(learner.encoders(next(iter(cuts)), workspace.files), learner.prior(sessions))
        learnt.save(partial)
        amounts = _write(partial, each(FeatureTables(as_of, cuts, learnt, workspace.files), blocks))
        _check_size(amounts, folder)
        write_json(partial / "amounts.json", amounts)


@dataclass(frozen=True)
class _Learner:
    """Learns what of the features is learnt, from the fitting patients' past.

    Attributes:
        contents: of the therapy.
        each: applies a function to the blocks.
        blocks: of patients.
        as_of: when the data of all patients end.
        cut: the last moment of the past of all targets.
    """

    contents: ContentArrays
    each: Each
    blocks: Sequence[Block]
    as_of: datetime | None
    cut: datetime | None

    def encoders(self, target: Target, files: Path | None) -> Encoders:
        """Of words, embeddings, pictures and series."""
        if not any(encodable(self.contents.therapy)):
            return NO_ENCODERS
        samples = self.each(SampledValues(self.as_of, target, self.cut), self.blocks)
        return fit_encoders(self.contents.therapy, samples, files)

    def prior(self, sessions: int) -> Prior | None:
        """Of the belief; ``sessions`` are those of all patients whose F is known."""
        if not sessions:
            return None
        sampled = SampledAnswers(self.as_of, self.cut, MOST_SESSIONS / sessions)
        answers = pl.concat(sample["answers"] for sample in self.each(sampled, self.blocks))
        return fit_prior(self.contents, answers)


def _write(folder: Path, blocks: Iterable[Frames]) -> Amounts:
    """Put the blocks' tables together as they come."""
    grown: dict[Target, GrowingTable] = {}
    amounts: dict[Target, Counter[tuple[str, str]]] = {}
    with ExitStack() as stack:
        for frames in blocks:
            for target, rows in frames.items():
                if target not in grown:
                    file = folder / f"{target}.parquet"
                    grown[target] = stack.enter_context(growing_table(file, rows.schema))
                    amounts[target] = Counter()
                grown[target].add(rows)
                amounts[target].update(_amounts(rows.drop_nulls("target")))
    return {
        target: {part: {what: counted[part, what] for what in ("patients", "sessions")} for part, _ in SHARES}
        for target, counted in amounts.items()
    }


def _amounts(rows: pl.DataFrame) -> dict[tuple[str, str], int]:
    """How many patients and sessions of each part; a patient is in one block only."""
    counted = rows.group_by("part").agg(patients=pl.col("user_id").n_unique(), sessions=pl.len())
    return {
        (row["part"], what): row[what] for row in counted.iter_rows(named=True) for what in ("patients", "sessions")
    }


def _check_size(amounts: Amounts, folder: Path) -> None:
    most = max(sum(part["patients"] for part in parts.values()) for parts in amounts.values())
    if most < len(SHARES):
        patients = pl.scan_parquet(folder / "users.parquet").select(pl.len()).collect().item()
        raise TooSmall(
            f"a cohort of {patients} patients, {most} of them with a known outcome, is too small to "
            f"split into {', '.join(part for part, _ in SHARES)}; collect more (some 100 make a start)"
        )
