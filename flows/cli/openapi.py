"""``posology openapi``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.here import TherapyArgument
from flows.cli.output import out


def openapi(
    therapy: TherapyArgument,
    file: Annotated[Path | None, typer.Option("--out", help="Write it here; printed when left out.")] = None,
) -> None:
    """The OpenAPI document of a therapy's service, before there is one; a running one has it at /openapi.json.

    Its contents are those of the therapy's catalogue.
    """
    from posology.files import write_whole
    from posology.tables import catalogue_of
    from posology.therapy_file import load_therapy
    from serving.openapi import document_of
    from serving.shapes import Bodies

    known = load_therapy(therapy)
    document = document_of(Bodies(known, tuple(catalogue_of(known)["content_id"])))
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    if file is None:
        typer.echo(text, nl=False)
        return
    write_whole(file, text)
    out.print(f"{file}: {len(document['paths'])} calls")
