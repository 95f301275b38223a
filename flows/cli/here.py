"""What every command begins with: its options, settings and home."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from flows.home import Home
from flows.settings import Settings


def a_time(text: str) -> datetime:
    """A time as it is typed, with its zone."""
    try:
        time = datetime.fromisoformat(text)
        time = time if time.tzinfo else time.replace(tzinfo=UTC)
        time.astimezone(UTC)  # which has no year 0 nor 10,000
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"expected a time such as 2026-03-01 or 2026-03-01T12:00+01:00, got {text!r}"
        ) from None
    return time


HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of everything kept; else $POSOLOGY_HOME, else .posology", show_default=False),
]
AsOfOption = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        metavar="TIME",
        parser=a_time,
        help="Leave out what was not known then, for example 2026-03-01T12:00 (UTC unless it says a zone).",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")]
TherapyArgument = Annotated[
    str, typer.Argument(metavar="THERAPY", help="A shipped therapy (mci, depression, tinnitus) or a .yaml file.")
]


@dataclass(frozen=True)
class Here:
    """The home a command works on."""

    home: Home
    settings: Settings


def here(home: Path | None) -> Here:
    """Settings and home of a command; what killed commands left is swept away."""
    settings = Settings.read(home)
    opened = Home.open(settings.home)
    opened.sweep()
    return Here(opened, settings)
