"""The rounds of a validation: the columns of the files, then the rows block by block, then what is left of it all."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from expectations.blocks import BlockJudge
from expectations.files import accepted_files, quarantine_files
from expectations.findings import Failure, Validation
from expectations.judge import Judge
from expectations.outcome import outcome, outcome_rules
from expectations.propensities import Propensities
from expectations.rule import Rule, looked_at
from expectations.shape import shape, shape_rules
from expectations.tally import Tally, failure
from expectations.thresholds import Thresholds
from expectations.whole import Whole
from posology.blocks import blocks_of, headers_of
from posology.tables import NAMES, scan_raw
from posology.therapy import Therapy

Frames = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Places:
    """The folders that accepted rows and quarantined rows go to; None where they are not wanted."""

    accepted: Path | None
    quarantine: Path | None


def judge_folder(
    judge: Judge,
    therapy: Therapy,
    folder: Path,
    places: Places,
    *,
    limits: Thresholds,
    taken_at: datetime,
    patients_per_block: int,
) -> Validation:
    """The four tables of a folder held to every rule; what it returns knows no folder but those of ``places``."""
    misshapen = _judge_columns(judge, therapy, headers_of(folder, therapy))
    if misshapen:
        return _result(places, None, misshapen)
    whole = Whole.of(therapy, scan_raw(folder, therapy), taken_at)
    blocks = blocks_of(folder, therapy, patients_per_block=patients_per_block, numbered=True)
    return _judge_rows(BlockJudge(judge, therapy, whole, limits), blocks, places)


def _judge_columns(judge: Judge, therapy: Therapy, headers: Frames) -> list[Failure]:
    """What is wrong with the columns of the files; while anything is, no row is looked at."""
    columns, rules = shape(therapy, headers), list(shape_rules())
    return [
        failure(table, verdict.rule, column=name)
        for verdict in judge.judge("columns", rules, looked_at(rules, columns))
        for table, name in columns[verdict.rows].select("table", "column").rows()
    ]


def _judge_rows(judge: BlockJudge, blocks: Iterable[Frames], places: Places) -> Validation:
    """The rows held to every rule, block after block; each is written where it belongs as soon as it is judged."""
    tally, propensities = Tally(judge.therapy), Propensities(judge.limits)
    content_ids = pl.Series(dtype=pl.String)
    with (
        accepted_files(places.accepted, judge.therapy) as kept,
        quarantine_files(places.quarantine, judge.therapy) as gone,
    ):
        for raw, judged in judge.blocks(blocks):
            for name, found in judged.items():
                tally.add(name, found, raw[name])
                if kept:
                    kept[name].add(found.accepted)
                if gone:
                    gone[name].add(found.quarantined)
            propensities = propensities.plus(judged["sessions"].accepted)
            content_ids = judged["contents"].accepted["content_id"] if "contents" in judged else content_ids
    broken = _outcome(judge, outcome(judge.therapy, tally, content_ids, propensities))
    return _result(places, tally, [*tally.failures, *broken])


def _outcome(judge: BlockJudge, tables: pl.DataFrame) -> Iterator[Failure]:
    rules: list[Rule] = list(outcome_rules(judge.therapy, judge.limits))
    for verdict in judge.judge.judge("outcome", rules, looked_at(rules, tables)):
        counted = {"V108": "quarantined", "V605": "probabilities"}.get(verdict.rule.code)
        for row in tables[verdict.rows].iter_rows(named=True):
            yield failure(row["table"], verdict.rule, rows=row[counted] if counted else 0)


def _result(places: Places, tally: Tally | None, failed: list[Failure]) -> Validation:
    valid = all(failure.level != "table" for failure in failed)
    return Validation(
        valid=valid,
        accepted=places.accepted if valid else None,
        quarantined=places.quarantine,
        failed=tuple(sorted(failed, key=lambda failure: (NAMES.index(failure.table), failure.code))),
        counts={name: tally.count(name) for name in NAMES} if tally else {},
        docs=None,
    )
