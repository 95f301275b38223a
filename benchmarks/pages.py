"""Results on screen, in ``results.json`` and in ``README.md``."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.result import Result, Row
from posology.files import write_whole

FOLDER = Path(__file__).resolve().parent
HEAD = """# Benchmarks

Each figure stands beside a peer or a physical limit measured in the same run. This page and `results.json` are written
by `python -m benchmarks [NAME…]` (`just bench`). A benchmark that is run alone replaces its own figures; on another
machine or with other libraries all old figures go.
"""


def keep(name: str, result: Result, machine: Mapping[str, str], *, load_before: float, folder: Path = FOLDER) -> None:
    """Put a result among those of the same machine and write the page anew."""
    file = folder / "results.json"
    kept = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if kept.get("machine") != machine:
        kept = {"machine": dict(machine), "results": {}}
    kept["results"][name] = {**result.as_json(), "load_before": load_before}
    write_whole(file, json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    write_whole(folder / "README.md", page(kept))


def page(kept: Mapping[str, Any]) -> str:
    """The results as Markdown."""
    machine = "".join(f"- {what}: {text}\n" for what, text in kept["machine"].items())
    parts = (part for name, result in kept["results"].items() for part in _section(name, result))
    return f"{HEAD}\n{machine}" + "".join(f"\n{part}\n" for part in parts)


def text_of(cell: str | float) -> str:
    """Three significant digits; large numbers whole, with their thousands set apart."""
    if isinstance(cell, str):
        return cell
    return f"{cell:,.0f}" if abs(cell) >= 100 or cell == round(cell) else f"{cell:.3g}"


def _section(name: str, result: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {name}"
    yield result["asks"]
    yield "\n".join(_table(result["columns"], result["rows"]))
    yield " ".join([*result["says"], f"(Load of the machine before: {result['load_before']:.1f}.)"])


def _table(columns: list[str], rows: list[Row]) -> Iterator[str]:
    yield "| " + " | ".join(columns) + " |"
    yield "| --- |" + " ---: |" * (len(columns) - 1)
    for row in rows:
        yield "| " + " | ".join(map(text_of, row)) + " |"
