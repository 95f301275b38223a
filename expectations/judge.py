"""Great Expectations as the judge: suites, verdicts and Data Docs, from rules and frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import great_expectations as gx
import polars as pl
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult, RunIdentifier
from great_expectations.data_context.types.resource_identifiers import (
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)
from great_expectations.validator.v1_validator import Validator

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
    """Judges frames by rules, block after block, and writes the Data Docs of all of it at the end."""

    def __init__(self) -> None:
        self._context = _context()
        self._batch = self._context.data_sources.add_pandas("memory").add_dataframe_asset("frame")
        self._batch = self._batch.add_batch_definition_whole_dataframe("all")
        self._suites: dict[str, gx.ExpectationSuite] = {}
        self._totals: dict[str, ExpectationSuiteValidationResult] = {}

    def judge(self, name: str, rules: Sequence[Rule], frame: pl.DataFrame) -> list[Verdict]:
        """The verdict on each rule, in their order.

        Args:
            name: of the suite. What is judged under one name is one table, in as many blocks as one likes.
            rules: what the suite asks; the same for every block.
            frame: exactly what Great Expectations sees, so no more than the rules look at.

        Raises:
            TableError: a rule was not evaluated; that is never taken for a pass.
        """
        if name not in self._suites:
            self._suites[name] = gx.ExpectationSuite(name=name, expectations=[rule.expectation for rule in rules])
        validator = Validator(self._batch, result_format=_NO_VALUES, batch_parameters={"dataframe": frame.to_pandas()})
        result = validator.validate_expectation_suite(self._suites[name])
        found = {_key(item): item for item in result.results}
        if len(found) != len(rules) or result.statistics["evaluated_expectations"] != len(rules):
            raise TableError(f"{name}: {len(rules)} rules were stated and {len(found)} evaluated", table=name)
        verdicts = [_verdict(name, rule, found[rule.key]) for rule in rules]
        self._totals[name] = _sum(self._totals.get(name), result)
        return verdicts

    def write_pages(self, docs: Path, run_name: str) -> list[str]:
        """Fill a folder with the Data Docs of everything judged; gives the suites in the order of their first block."""
        context = self._context
        store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.absolute())}
        site: Any = {"class_name": "SiteBuilder", "show_how_to_buttons": False, "store_backend": store}
        context.add_data_docs_site(_SITE, site)
        run = RunIdentifier(run_name=run_name, run_time=datetime.now(UTC))
        for name, result in self._totals.items():
            context.suites.add(self._suites[name])
            suite = ExpectationSuiteIdentifier(name)
            result.meta = {**result.meta, "run_id": run, "validation_time": run.run_time}
            context.validation_results_store.store_validation_results(
                suite_validation_result=result,
                suite_validation_result_identifier=ValidationResultIdentifier(suite, run, result.batch_id),
                expectation_suite_identifier=suite,
            )
        context.build_data_docs(site_names=[_SITE], build_index=False)
        return list(self._totals)


def _context() -> Any:
    context: Any = gx.get_context(mode="ephemeral")
    context.enable_analytics(enable=False)
    context.variables.progress_bars = {"globally": False}
    return context


def _key(item: ExpectationValidationResult) -> str:
    """The key of the rule that a result is about."""
    config: Any = item.expectation_config
    return str(config.meta["rule"])


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
    if rule.level != "table" and item.success == bool(rows.len()):
        word = "passed" if item.success else "failed"
        raise TableError(f"{table}: the rule {rule.key} {word} with {rows.len()} rows against it", table=table)
    return Verdict(rule, bool(item.success), rows)


def _sum(
    total: ExpectationSuiteValidationResult | None, block: ExpectationSuiteValidationResult
) -> ExpectationSuiteValidationResult:
    """The result over all blocks so far: counts added, and which rows left out."""
    before = {_key(item): item for item in total.results} if total else {}
    for item in block.results:
        earlier = before.get(_key(item))
        item.result = _added(earlier.result if earlier else {}, item.result)
        item.success = bool(item.success and (earlier is None or earlier.success))
    met, asked = sum(bool(item.success) for item in block.results), len(block.results)
    block.success = met == asked
    block.statistics.update(
        successful_expectations=met, unsuccessful_expectations=asked - met, success_percent=100 * met / max(asked, 1)
    )
    return block


def _added(earlier: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    counts = {name: result[name] + earlier.get(name, 0) for name in _COUNTS if name in result}
    shares = {name: value for name, value in result.items() if name.endswith(("_percent", "_total", "_nonmissing"))}
    rows, missing, broken = (counts.get(name, 0) for name in _COUNTS)
    known = {
        "missing_percent": missing / max(rows, 1),
        "unexpected_percent": broken / max(rows - missing, 1),
        "unexpected_percent_total": broken / max(rows, 1),
        "unexpected_percent_nonmissing": broken / max(rows - missing, 1),
    }
    observed = {name: result[name] for name in ("observed_value",) if name in result}
    return {**observed, **counts, **{name: 100 * known[name] for name in shares}}


_COUNTS = ("element_count", "missing_count", "unexpected_count")
