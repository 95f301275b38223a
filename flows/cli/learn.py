"""``retrain`` and ``schedule``."""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.here import AsOfOption, Here, HomeOption, JsonOption, TherapyArgument, here
from flows.cli.output import out, print_json, print_table, progress, verdict_text
from posology.errors import CannotDo, SettingsError

PASS = "pass"  # noqa: S105 - a verdict, not a password


def retrain(
    therapy: TherapyArgument,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            exists=True,
            file_okay=False,
            help="Folder with the four Parquet tables; else the operational store.",
        ),
    ] = None,
    snapshot: Annotated[
        str | None, typer.Option("--snapshot", metavar="ID", help="A kept snapshot; see posology snapshot list.")
    ] = None,
    as_of: AsOfOption = None,
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials", min=0, metavar="N", help="Option sets tried for each kind of predictor; else as in params.yaml."
        ),
    ] = None,
    warm_start: Annotated[
        str | None,
        typer.Option(
            "--warm-start",
            metavar="RELEASE",
            help="A release of another therapy or site (name or folder) to begin with, where a test says it helps.",
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a candidate release and judge it: snapshot, validate, fit F and Mf, guardrails, dossier, registry.

    Exit status 1 when the data are not valid or a guardrail does not pass.
    """
    from posology.therapy_file import load_therapy

    load_therapy(therapy)  # a refusal needs no server
    known = here(home)
    if snapshot:
        data = _tables_of(known, snapshot, data)
    with progress("Starting Prefect") as step:
        retrained = run_retrain(known, therapy, data, step, as_of, trials=trials, warm_start=warm_start)
    if as_json:
        print_json(retrained)
    else:
        show_retrained(retrained)
    if retrained["verdict"] != PASS:
        raise typer.Exit(1)


def _tables_of(known: Here, snapshot: str, data: Path | None) -> Path:
    from flows.snapshots import check_snapshot, find_snapshot

    if data:
        raise CannotDo("--data and --snapshot each say what to train on: expected one of them")
    found = find_snapshot(known.home, snapshot)
    check_snapshot(found)
    return found.tables


def run_retrain(
    known: Here, therapy: str, data: Path | None, step: Any, as_of: datetime | None = None, **asked: Any
) -> dict[str, Any]:
    """Run the flow with a Prefect server around it; gives what ``--json`` prints.

    Args:
        asked: what else the flow is asked for, see ``flows.retrain.retrain``.
    """
    from flows.announce import listening
    from flows.loading import load_stages
    from flows.orchestration import orchestrated
    from flows.versioning import therapy_argument

    step("Start or join the Prefect server")
    meanwhile = partial(load_stages, known.home, known.settings)
    with orchestrated(known.home, known.settings, meanwhile=meanwhile), listening(step):
        from flows.retrain import retrain as flow

        folder = str(data.absolute()) if data else None
        return dict(flow(therapy_argument(therapy), folder, str(known.home.root), as_of, **asked) or {})


def show_retrained(retrained: dict[str, Any]) -> None:
    """The verdict of every guardrail, and what comes next."""
    from flows.stages.validate import in_words

    rows = [
        [item["code"], item["title"], verdict_text(item["verdict"]), item["explanation"]]
        for item in retrained["guardrails"]
    ]
    print_table(f"Candidate {retrained['release']}", ["code", "asks that", "verdict", "why"], rows)
    if retrained["failed"]:
        out.print("Rows in quarantine:")
        for failure in retrained["failed"]:
            out.print(f"  {in_words(failure)}", markup=False)
    for line in retrained["learnt"]:
        out.print(line, markup=False)
    out.print(f"Verdict: {verdict_text(retrained['verdict'])}")
    out.print(f"Dossier: {retrained['dossier']}")
    out.print(f"Data version (DVC): {retrained['data_version']}")
    if retrained["verdict"] == PASS:
        out.print(f"Next: posology review sign {retrained['release']} --as NAME --meaning approve --reason TEXT")
    else:
        out.print("It cannot be promoted; the dossier says what is missing.")


def schedule(
    therapies: Annotated[
        list[str] | None, typer.Argument(metavar="[THERAPY]...", help="Else POSOLOGY_RETRAIN_THERAPIES.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Serve the scheduled retraining until stopped (Ctrl-C); when is POSOLOGY_RETRAIN_CRON, in UTC."""
    from flows.orchestration import orchestrated

    known = here(home)
    chosen = tuple(therapies or known.settings.retrain_therapies)
    _check_scheduled(chosen)
    with orchestrated(known.home, known.settings) as address:
        from flows.schedule import serve_schedule

        out.print(f"Retraining {', '.join(chosen)} at '{known.settings.retrain_cron}' (UTC). Prefect: {address}")
        out.print("Stop with Ctrl-C; the schedule goes on at the next start.")
        serve_schedule(known.home, known.settings, chosen)


def _check_scheduled(therapies: tuple[str, ...]) -> None:
    """Refuse at once what would only be noticed at night."""
    from posology.therapy_file import load_therapy

    if not therapies:
        raise SettingsError(
            "no therapy to retrain: name them (posology schedule mci) or set POSOLOGY_RETRAIN_THERAPIES=mci,depression"
        )
    for therapy in therapies:
        load_therapy(therapy)
