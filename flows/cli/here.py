"""What every command begins with: its options, settings and home."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from flows.home import Home
from flows.settings import Settings

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of everything kept; else $POSOLOGY_HOME, else .posology", show_default=False),
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
