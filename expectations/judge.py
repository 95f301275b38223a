"""Great Expectations as the judge: suites, checkpoints and Data Docs, from rules and frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import great_expectations as gx
import polars as pl
from great_expectations.checkpoint import UpdateDataDocsAction
from great_expectations.checkpoint.actions import ValidationAction
from great_expectations.core import ExpectationValidationResult, RunIdentifier

from expectations.rule import Rule
from posology.errors import TableError

_SITE = "posology"
# Positions of failing rows and counts, never a value: the answer ends up in Data Docs.
_NO_VALUES = {
    "result_format": "COMPLETE",
    "exclude_unexpected_values": True,
    "partial_unexpected_count": 0,
    "return_unexpected_index_query": False,
}


class _AddPages(UpdateDataDocsAction):
    """Adds a run's pages to the Data Docs, without the index, which ``pages`` writes."""

    # The registry of actions wants a name of its own for each.
    type: Literal["add_pages"] = "add_pages"  # type: ignore[assignment]

    def _build_data_docs(self, site_names: list[str] | None = None, resource_identifiers: list | None = None) -> dict:
        return self._resolve_context().context.build_data_docs(
            site_names=site_names, resource_identifiers=resource_identifiers, build_index=False
        )


@dataclass(frozen=True)
class Verdict:
    """What came of one rule.

    Attributes:
        rows: positions in the judged frame of the rows that break it; empty
            for a rule about the table as a whole.
    """

    rule: Rule
    success: bool
    rows: pl.Series


class Judge:
    """Judges frames by rules and adds each verdict to the Data Docs in a folder, if one is given."""

    def __init__(self, docs: Path | None, run_name: str) -> None:
        self._context = _context(docs)
        self._actions: list[ValidationAction] = [] if docs is None else [_AddPages(name="pages", site_names=[_SITE])]
        self._source = self._context.data_sources.add_pandas("memory")
        self._run_name = run_name

    def judge(self, name: str, rules: Sequence[Rule], frame: pl.DataFrame) -> list[Verdict]:
        """The verdict on each rule, in their order.

        Args:
            name: of the suite; each suite of a judge has its own.
            rules: what the suite asks.
            frame: exactly what Great Expectations sees, so no more than the rules look at.

        Raises:
            TableError: a rule was not evaluated; that is never taken for a pass.
        """
        result = self._run(name, rules, frame)
        found = {item.expectation_config.meta["rule"]: item for item in result.results}
        if len(found) != len(rules) or result.statistics["evaluated_expectations"] != len(rules):
            raise TableError(f"{name}: {len(rules)} rules were stated and {len(found)} evaluated", table=name)
        return [_verdict(name, rule, found[rule.key]) for rule in rules]

    def _run(self, name: str, rules: Sequence[Rule], frame: pl.DataFrame) -> Any:
        context = self._context
        batch = self._source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
        expectations = [rule.expectation for rule in rules]
        suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
        definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
        checkpoint = gx.Checkpoint(
            name=name,
            validation_definitions=[context.validation_definitions.add(definition)],
            actions=self._actions,
            result_format=_NO_VALUES,
        )
        run = context.checkpoints.add(checkpoint).run(
            batch_parameters={"dataframe": frame.to_pandas()},
            run_id=RunIdentifier(run_name=self._run_name),
        )
        return next(iter(run.run_results.values()))


def _context(docs: Path | None) -> Any:
    context: Any = gx.get_context(mode="ephemeral")
    context.enable_analytics(enable=False)
    context.variables.progress_bars = {"globally": False}
    if docs is not None:
        store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.absolute())}
        site: Any = {"class_name": "SiteBuilder", "show_how_to_buttons": False, "store_backend": store}
        context.add_data_docs_site(_SITE, site)
    return context


def _verdict(table: str, rule: Rule, item: ExpectationValidationResult) -> Verdict:
    info = item.exception_info or {}
    # A raised metric is reported under its own id, without the flat key.
    if info.get("raised_exception", bool(info)):
        raise TableError(
            f"{table}: the rule {rule.key} could not be evaluated, so nothing is known of these data; report it",
            table=table,
            column=rule.column,
        )
    rows = pl.Series(item.result.get("unexpected_index_list") or [], dtype=pl.UInt32)
    if rule.level == "row" and item.success == bool(rows.len()):
        word = "passed" if item.success else "failed"
        raise TableError(f"{table}: the rule {rule.key} {word} with {rows.len()} rows against it", table=table)
    return Verdict(rule, bool(item.success), rows)
