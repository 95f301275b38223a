"""How commands speak: tables for people, JSON for programs, errors in one line."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

PIPE_WIDTH = 160  # of tables that no terminal bounds
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_WIDTH)
err = Console(stderr=True, highlight=False)

COLOURS = {"pass": "green", "fail": "bold red", "insufficient evidence": "yellow", "not applicable": "dim"}


def print_json(content: Any) -> None:
    """One JSON object on standard output."""
    print(json.dumps(content, indent=2, ensure_ascii=False, default=str))  # noqa: T201 - this is the answer


def print_error(kind: str, message: str) -> None:
    """What went wrong, on standard error; never wrapped, so that a path or a command can be copied."""
    err.print(f"[bold red]{kind}[/]", end=": ")
    err.print(message, markup=False, soft_wrap=True)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table; cells are taken as they are, never as markup."""
    table = Table(*columns, title=title, title_justify="left", title_style="bold")
    for row in rows:
        table.add_row(*(_cell(cell) for cell in row))
    out.print(table)


def print_lines(title: str, lines: dict[str, str]) -> None:
    """Name and text, one a line and never wrapped, so that an address can be copied."""
    out.print(f"[bold]{title}[/]")
    for name, text in lines.items():
        out.print(f"  {name}: ", end="")
        out.print(text, markup=False, no_wrap=True, overflow="ignore", crop=False)


def verdict_text(verdict: str, colours: Mapping[str, str] = COLOURS) -> str:
    """A verdict in its colour."""
    return f"[{colours.get(verdict, 'default')}]{verdict}[/]"


@contextmanager
def progress(title: str) -> Iterator["Steps"]:
    """A line that moves while something takes long, and one line for each step done (on standard error)."""
    with err.status(title) as status:
        steps = Steps(status)
        yield steps
        steps.done()


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar with the remaining time (on standard error); gives what is called after each of so many."""
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err) as bar:
        yield partial(bar.advance, bar.add_task(title, total=total))


class Steps:
    """The steps of something long; call it with the name of each as it begins."""

    def __init__(self, status: Any) -> None:
        self._status, self._clock, self._now = status, time.perf_counter, ""
        self._since = self._clock()

    def __call__(self, step: str) -> None:
        """The step before is done, this one begins."""
        self.done()
        self._now, self._since = step, self._clock()
        self._status.update(step)

    def detail(self, text: str) -> None:
        """How far the step that goes on has come."""
        self._status.update(f"{self._now}: {text}")

    def done(self) -> None:
        """The step that was going on is done."""
        if self._now:
            err.print(f"[green]✓[/] {self._now} [dim]{self._clock() - self._since:.1f} s[/]")
        self._now = ""


def _cell(cell: str) -> str:
    return cell if cell.startswith("[") and cell.endswith("[/]") else cell.replace("[", "\\[")
