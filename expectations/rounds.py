"""The rounds of a validation: the columns of the files, then the rows block by block, then what is left of it all."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from expectations.against.against import Against
from expectations.against.last import Last
from expectations.blocks import BlockJudge
from expectations.files import accepted_files, quarantine_files
from expectations.findings import Failure, Validation
from expectations.gaps import Days, gap_rules
from expectations.judge import Judge
from expectations.outcome import outcome, outcome_rules
from expectations.propensities import Propensities
from expectations.quarantine import Judged
from expectations.rule import Rule, looked_at
from expectations.shape import shape, shape_rules
from expectations.tally import MOST_EXAMPLES, Tally, failure, found_in
from expectations.thresholds import Thresholds
from expectations.whole import Whole
from posology.blocks import blocks_of, headers_of
from posology.tables import NAMES, scan_raw
from posology.therapy import Therapy

Frames = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Asked:
    """What a folder is held to; see ``validate``."""

    therapy: Therapy
    limits: Thresholds
    taken_at: datetime
    against: Path | None
    patients_per_block: int


@dataclass(frozen=True)
class Places:
    """The folders that accepted rows and quarantined rows go to; None where they are not wanted."""

    accepted: Path | None
    quarantine: Path | None


@dataclass
class Gathered:
    """What is kept of all blocks."""

    tally: Tally
    propensities: Propensities
    days: Days
    against: Against | None
    content_ids: pl.Series = field(default_factory=lambda: pl.Series(dtype=pl.String))

    def add(self, raw: Frames, judged: Mapping[str, Judged]) -> None:
        """Count a block."""
        for name, found in judged.items():
            self.tally.add(name, found, raw[name])
        if "contents" in judged:
            self.content_ids = judged["contents"].accepted["content_id"]
        sessions = judged["sessions"].accepted
        self.propensities = self.propensities.plus(sessions)
        self.days.add(sessions)
        if self.against:
            self.against.add({name: found.rows for name, found in judged.items()})


def judge_folder(judge: Judge, asked: Asked, folder: Path, places: Places, tell: Callable[[int], None]) -> Validation:
    """The four tables of a folder held to every rule; what it returns knows no folder but those of ``places``."""
    therapy = asked.therapy
    misshapen = _judge_columns(judge, therapy, headers_of(folder, therapy))
    if misshapen:
        return _result(places, None, misshapen)
    files = scan_raw(folder, therapy)
    last = Last.of(therapy, asked.against, files["users"]) if asked.against else None
    gathered = Gathered(
        Tally(therapy), Propensities(asked.limits), Days(), Against(therapy, last, asked.limits) if last else None
    )
    rows = BlockJudge(judge, therapy, Whole.of(therapy, files, asked.taken_at), asked.limits)
    blocks = blocks_of(folder, therapy, patients_per_block=asked.patients_per_block, numbered=True)
    for _ in _judge_rows(rows, blocks, places, gathered):
        tell(gathered.tally.count("sessions").rows)
    return _result(places, gathered.tally, [*gathered.tally.failures, *_judge_whole(judge, asked, gathered)])


def _judge_columns(judge: Judge, therapy: Therapy, headers: Frames) -> list[Failure]:
    """What is wrong with the columns of the files; while anything is, no row is looked at."""
    columns, rules = shape(therapy, headers), list(shape_rules())
    return [
        failure(row["table"], verdict.rule, column=row["column"], examples=_types(row))
        for verdict in judge.judge("columns", rules, looked_at(rules, columns))
        for row in columns[verdict.rows].iter_rows(named=True)
    ]


def _types(row: Mapping[str, Any]) -> tuple[str, ...]:
    """What type was expected and what came, where a column came as another."""
    is_other = row["declared as"] and row["came as"]
    return (f"expected {row['declared as']}, got {row['came as']}",) if is_other else ()


def _judge_rows(judge: BlockJudge, blocks: Iterable[Frames], places: Places, gathered: Gathered) -> Iterator[None]:
    """The rows held to every rule, block after block; each is written where it belongs as soon as it is judged."""
    with (
        accepted_files(places.accepted, judge.therapy) as kept,
        quarantine_files(places.quarantine, judge.therapy) as gone,
    ):
        for raw, judged in judge.blocks(blocks):
            gathered.add(raw, judged)
            for name, found in judged.items():
                if kept:
                    kept[name].add(found.accepted)
                if gone:
                    gone[name].add(found.quarantined)
            yield


def _judge_whole(judge: Judge, asked: Asked, gathered: Gathered) -> Iterator[Failure]:
    """What only all rows together can break."""
    therapy, limits, against = asked.therapy, asked.limits, gathered.against
    rules, days = list(gap_rules(limits)), gathered.days.facts()
    for verdict in judge.judge("days", rules, looked_at(rules, days)):
        if not verdict.success:
            empty = tuple(str(day) for day in days[verdict.rows[:MOST_EXAMPLES]]["day"])
            yield failure("sessions", verdict.rule, examples=empty)
    tables = outcome(therapy, gathered.tally, gathered.content_ids, gathered.propensities)
    yield from _of_tables(judge, "outcome", list(outcome_rules(therapy, limits)), tables)
    if against:
        yield from _of_tables(judge, "against", list(against.rules()), against.facts(gathered.tally))


def _of_tables(judge: Judge, suite: str, rules: list[Rule], facts: pl.DataFrame) -> Iterator[Failure]:
    for verdict in judge.judge(suite, rules, looked_at(rules, facts)):
        for row in facts[verdict.rows].iter_rows(named=True):
            yield found_in(row, verdict.rule)


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
