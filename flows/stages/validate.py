"""Validate: Great Expectations decide what is accepted, quarantined or stops the run."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from expectations import Validation
from expectations import validate as validate_tables
from flows.workspace import Workspace, read_json, write_json
from posology.errors import DataInvalid
from posology.files import whole_folder


def validate(workspace: Workspace, docs: Path | None = None, against: Path | None = None) -> None:
    """Write the accepted tables, the quarantined rows with their reasons, and what failed.

    Args:
        workspace: holds the snapshot.
        docs: where the Data Docs go; in the workspace when None.
        against: the snapshot last accepted, if there is one.

    Raises:
        DataInvalid: a table rule broke; the message names code, table and column.
    """
    with whole_folder(workspace.validation) as partial:
        result = validate_tables(
            workspace.therapy(),
            workspace.snapshot / "tables",
            docs=docs or workspace.docs,
            accepted=partial / "accepted",
            quarantine=partial / "quarantine",
            against=against / "tables" if against else None,
            taken_at=_taken_at(workspace),
        )
        if not result.valid:
            raise DataInvalid(refusal(result.as_json()))
        write_json(partial / "validation.json", {**result.as_json(), "docs": None, "rows": _rows(result)})


def _taken_at(workspace: Workspace) -> datetime | None:
    """The moment a snapshot shows, when it is not now."""
    as_of = read_json(workspace.snapshot / "manifest.json").get("as_of")
    return datetime.fromisoformat(as_of) if as_of else None


def _rows(result: Validation) -> dict[str, dict[str, int]]:
    return {table: {"in": count.rows, "quarantined": count.quarantined} for table, count in result.counts.items()}


def refusal(report: dict[str, Any]) -> str:
    """Why the run stops, in words: the table rules that broke, then the rows that went to quarantine, then notes."""
    levels = ("table", "row", "note")
    broken = sorted(report["failed"], key=lambda failure: levels.index(failure["level"]))
    return "\n  ".join(["the data are not valid:", *map(in_words, broken)]) + f"\nsee {report['docs']}"


def in_words(failure: Mapping[str, Any]) -> str:
    """A broken rule with its file, column and first rows."""
    column = f", {failure['column']}" if failure["column"] else ""
    first = f" {', '.join(failure['examples'])}" if failure["examples"] else ""
    rows = f" ({failure['rows']:,} against it:{first})" if failure["rows"] else ""
    return f"{failure['code']} {failure['table']}.parquet{column}: {failure['rule']}{rows}"
