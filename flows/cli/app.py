"""``posology``: every command, and how errors and interrupts end it."""

import inspect
import signal
import sys
import traceback
from importlib import metadata
from types import FrameType
from typing import Annotated

import click
import typer

from flows.cli import (
    data,
    effects,
    erase,
    evaluate,
    importing,
    learn,
    modes,
    openapi,
    records,
    replay,
    review,
    run,
    simulate,
    snapshots,
    tokens,
    validation,
)
from flows.cli.output import print_error
from flows.quiet import be_quiet
from posology.errors import CannotDo, PosologyError

app = typer.Typer(
    name="posology",
    help=(
        "Learn from patients' courses which content to give next, prove it fit, have people sign for it, serve it.\n\n"
        "Begin with: posology demo. Exit status: 0 done, 1 it worked and the answer is no, 2 it could not be done."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"posology {metadata.version('posology')}")  # noqa: T201 - this is the answer
        raise typer.Exit


@app.callback()
def posology(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Before every command."""


app.command()(run.demo)
app.command()(simulate.simulate)
app.command("import")(importing.import_data)
app.command()(importing.export)
app.command()(validation.validate)
app.command()(data.load)
app.add_typer(records.fhir_app, name="fhir")
app.add_typer(snapshots.snapshot_app, name="snapshot")
app.command()(learn.retrain)
app.command()(evaluate.evaluate)
app.command()(effects.effects)
app.add_typer(review.review_app, name="review")
app.command()(review.promote)
app.command()(review.rollback)
app.command()(review.history)
app.command()(modes.modes)
app.command()(run.serve)
app.command()(openapi.openapi)
app.add_typer(tokens.token_app, name="token")
app.command()(replay.replay)
app.command()(erase.erase)
app.command()(learn.schedule)
app.command()(run.ui)


def _flow_help(group: typer.Typer) -> None:
    """Let every paragraph of a command's docstring fill the terminal; Typer keeps its line breaks but in the first."""
    for command in group.registered_commands:
        told = command.help or inspect.getdoc(command.callback) or ""
        command.help = "\n\n".join(
            part if "\n " in f"\n{part}" else part.replace("\n", " ")  # indented is as it shall be
            for part in told.split("\n\n")
        )
    for each in group.registered_groups:
        if each.typer_instance is not None:
            _flow_help(each.typer_instance)


_flow_help(app)


def main() -> None:
    """Run the command line; errors are said in words, with the exit status they stand for (130: it was stopped)."""
    be_quiet()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except PosologyError as error:
        print_error(type(error).__name__, str(error))
        sys.exit(error.exit_status)
    except OSError as error:  # no permission, no space, a file where a folder is expected
        print_error(CannotDo.__name__, f"{error.filename or 'the system'}: {error.strerror or error}")
        sys.exit(CannotDo.exit_status)
    except BaseException as error:
        if isinstance(error, (SystemExit, KeyboardInterrupt, click.exceptions.Exit, click.exceptions.Abort)):
            raise
        _print_unforeseen(error)
        sys.exit(CannotDo.exit_status)


def _print_unforeseen(error: BaseException) -> None:
    """Where it happened and no more: its own words, or the data beside it, may be a patient's."""
    places = [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    print_error("Unforeseen", f"{type(error).__name__}, which no command should end in; nothing half done counts.")
    print_error("Please report what you typed, and", "\n  ".join(["it came about here:", *places[-12:]]))


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """A request to end is taken as Ctrl-C is: it unwinds every block, so that whatever was started is stopped."""
    raise KeyboardInterrupt
