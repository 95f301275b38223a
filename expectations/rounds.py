"""The rounds of a validation, each judged with what the one before left.

First the columns of the files; then users and contents; then the rows that
refer to them; then what is left of it all.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from expectations.codes import Thresholds
from expectations.contents import content_rules
from expectations.feedback import with_feedback_value
from expectations.findings import Count, Failure, Validation
from expectations.judge import Judge, Verdict
from expectations.measurements import measurement_rules
from expectations.outcome import outcome, outcome_rules
from expectations.quarantine import is_accepted, named, quarantined
from expectations.references import with_contents, with_users
from expectations.rule import Rule, looked_at
from expectations.sessions import session_rules
from expectations.shape import shape, shape_rules
from expectations.users import user_rules
from posology.tables import NAMES, ORDERS, Tables, schema_of
from posology.therapy import Therapy

MOST_EXAMPLES = 5
Frames = Mapping[str, pl.DataFrame]
Flags = dict[str, pl.Series]  # table → for each row whether it is accepted


def judge_tables(therapy: Therapy, raw: Frames, docs: Path | None, thresholds: Thresholds) -> Validation:
    """The four tables as they were read, held to every rule; ``docs``, if given, fills with Data Docs."""
    judge = Judge(docs, therapy.name)
    misshapen = tuple(_judge_columns(judge, therapy, raw))
    if misshapen:
        return Validation(valid=False, accepted=None, quarantined={}, failed=misshapen, counts={}, docs=None)
    tables = Tables.conform(therapy, raw)
    frames = {name: getattr(tables, name) for name in NAMES}
    verdicts, accepted = _judge_rows(judge, therapy, frames, thresholds)
    in_quarantine = {name: quarantined(frames[name], verdicts[name]) for name in NAMES}
    failed = sorted(
        [
            *_row_failures(therapy, raw, frames, verdicts),
            *_judge_outcome(judge, therapy, frames, accepted, thresholds),
        ],
        key=lambda failure: (NAMES.index(failure.table), failure.code),
    )
    valid = all(failure.level == "row" for failure in failed)
    return Validation(
        valid=valid,
        accepted=Tables(**{name: frames[name].filter(accepted[name]) for name in NAMES}) if valid else None,
        quarantined=in_quarantine,
        failed=tuple(failed),
        counts={name: Count(frames[name].height, in_quarantine[name].height) for name in NAMES},
        docs=None,
    )


def _judge_columns(judge: Judge, therapy: Therapy, raw: Frames) -> Iterator[Failure]:
    columns, rules = shape(therapy, raw), list(shape_rules())
    for verdict in judge.judge("columns", rules, looked_at(rules, columns)):
        for table, name in columns[verdict.rows].select("table", "column").rows():
            yield _failure(table, verdict.rule, column=name)


def _judge_rows(
    judge: Judge, therapy: Therapy, frames: Frames, thresholds: Thresholds
) -> tuple[dict[str, list[Verdict]], Flags]:
    verdicts: dict[str, list[Verdict]] = {}
    accepted: Flags = {}

    def judge_table(table: str, rules: Iterator[Rule], rows: pl.DataFrame) -> None:
        stated = list(rules)
        verdicts[table] = judge.judge(table, stated, looked_at(stated, rows))
        accepted[table] = is_accepted(rows, verdicts[table])

    judge_table("users", user_rules(therapy), frames["users"])
    judge_table("contents", content_rules(therapy), frames["contents"])
    measurements = with_users(frames["measurements"], frames["users"], accepted["users"])
    judge_table("measurements", measurement_rules(therapy), measurements)
    sessions = with_users(frames["sessions"], frames["users"], accepted["users"])
    sessions = with_contents(sessions, frames["contents"], accepted["contents"])
    judge_table("sessions", session_rules(therapy, thresholds), with_feedback_value(sessions, therapy.feedback))
    return verdicts, accepted


def _judge_outcome(
    judge: Judge, therapy: Therapy, frames: Frames, accepted: Flags, thresholds: Thresholds
) -> Iterator[Failure]:
    rules = list(outcome_rules(therapy, thresholds))
    for verdict in judge.judge("outcome", rules, looked_at(rules, outcome(therapy, frames, accepted))):
        for place in verdict.rows:
            table = NAMES[place]
            yield _failure(table, verdict.rule, rows=accepted[table].len() - int(accepted[table].sum()))


def _row_failures(
    therapy: Therapy, raw: Frames, frames: Frames, verdicts: Mapping[str, Sequence[Verdict]]
) -> Iterator[Failure]:
    for table in NAMES:
        broken = [verdict for verdict in verdicts[table] if not verdict.success]
        row_in_file = _row_in_file(table, therapy, raw[table]) if broken else pl.Series()
        for verdict in broken:
            examples = named(table, frames[table], verdict.rows[:MOST_EXAMPLES], row_in_file)
            yield _failure(table, verdict.rule, rows=verdict.rows.len(), examples=examples)


def _failure(
    table: str, rule: Rule, *, column: str | None = None, rows: int = 0, examples: tuple[str, ...] = ()
) -> Failure:
    return Failure(rule.code, table, column or rule.column, rule.says, rule.level, rows, examples)


def _row_in_file(table: str, therapy: Therapy, raw: pl.DataFrame) -> pl.Series:
    """For each row of the sorted table its place in the file: the same sort over the same keys."""
    schema, keys = schema_of(table, therapy), ORDERS[table]
    casts = [pl.col(key).cast(schema[key]) for key in keys]
    return raw.select(casts).with_row_index("place").sort(keys, maintain_order=True)["place"]
