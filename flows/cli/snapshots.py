"""``snapshot take|list|show|verify|push|pull``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli.here import AsOfOption, Here, HomeOption, JsonOption, TherapyArgument, here
from flows.cli.output import out, print_json, print_lines, print_table, progress

snapshot_app = typer.Typer(
    help="The data a model was trained on, kept as they were: take, list, show, verify, push, pull.",
    no_args_is_help=True,
)
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="As posology snapshot list shows it.")]
IdsArgument = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Else all of them.")]


@snapshot_app.command()
def take(
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
    as_of: AsOfOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep the four tables as they are now, or as they were known at a time; the same data are the same snapshot."""
    from flows.take import take_and_keep

    known = here(home)
    with progress("Taking a snapshot") as step:
        step("Take the snapshot and version it with DVC")
        taken = take_and_keep(known.home, known.settings, therapy, data, as_of)
    _answer(taken, as_json=as_json)
    if not as_json:
        out.print(f"Next: posology retrain {therapy} --snapshot {taken.name}")


@snapshot_app.command("list")
def list_snapshots(
    therapy: TherapyArgument,
    remote: Annotated[bool, typer.Option("--remote", help="Those in POSOLOGY_SNAPSHOT_REMOTE.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The snapshots of a therapy, the first taken first."""
    from flows.snapshots import kept_snapshots

    known = here(home)
    records = (
        _remote(known, therapy).records()
        if remote
        else [_with_acceptance(one) for one in kept_snapshots(known.home, _name(therapy))]
    )
    if as_json:
        print_json(records)
        return
    rows = [
        [
            record["id"],
            _minute(record["taken_at"]),
            _minute(record["as_of"]),
            f"{record['rows']['users']:,}",
            f"{record['rows']['sessions']:,}",
            _minute(record["time_range"]["last"]),
            record["parent"] or "",
            _minute(record.get("accepted_at")),
        ]
        for record in records
    ]
    columns = ["id", "taken", "as of", "users", "sessions", "last event", "after", "accepted"]
    print_table(f"Snapshots of {therapy}{' in the remote' if remote else ''} (times in UTC)", columns, rows)


@snapshot_app.command()
def show(snapshot: IdArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """The manifest of one snapshot: rows, digests, time range, parent."""
    from flows.snapshots import find_snapshot

    _answer(find_snapshot(here(home).home, snapshot), as_json=as_json)


@snapshot_app.command()
def verify(
    therapy: TherapyArgument, snapshots: IdsArgument = None, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Hold every file to the digests of the manifest. Exit status 1 when one differs."""
    from flows.snapshots import damage_of, find_snapshot, kept_snapshots

    known = here(home)
    chosen = [find_snapshot(known.home, name) for name in snapshots or ()] or kept_snapshots(known.home, _name(therapy))
    wrong = {one.name: damage_of(one.folder, one.name) for one in chosen}
    if as_json:
        print_json([{"id": name, "whole": not files, "damaged": files} for name, files in wrong.items()])
    else:
        rows = [[name, "damaged" if files else "whole", ", ".join(files)] for name, files in wrong.items()]
        print_table(f"Snapshots of {therapy}", ["id", "is", "files that differ from the manifest"], rows)
    if any(wrong.values()):
        raise typer.Exit(1)


@snapshot_app.command()
def push(
    therapy: TherapyArgument, snapshots: IdsArgument = None, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Send snapshots to POSOLOGY_SNAPSHOT_REMOTE: a folder, or s3://bucket/prefix with the standard AWS variables."""
    remote = _remote(here(home), therapy)
    with progress("Pushing") as step:
        step(f"Push to {remote.address}")
        sent = remote.push(snapshots or ())
    _say_moved("pushed", sent, as_json=as_json)


@snapshot_app.command()
def pull(
    therapy: TherapyArgument, snapshots: IdsArgument = None, home: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Fetch snapshots from POSOLOGY_SNAPSHOT_REMOTE, each held to its digests before it is seen here."""
    remote = _remote(here(home), therapy)
    with progress("Pulling") as step:
        step(f"Pull from {remote.address}")
        fetched = remote.pull(snapshots or ())
    _say_moved("pulled", fetched, as_json=as_json)


def _answer(snapshot: Any, *, as_json: bool) -> None:
    record = _with_acceptance(snapshot)
    if as_json:
        print_json({**record, "folder": str(snapshot.folder)})
        return
    rows = [[name, f"{count:,}", record["sha256"][name]] for name, count in record["rows"].items()]
    print_table(f"Snapshot {snapshot.name} of {record['therapy']}", ["table", "rows", "SHA-256"], rows)
    lines = {
        "taken": record["taken_at"],
        "as of": record["as_of"] or "all there was",
        "first event": record["time_range"]["first"] or "none",
        "last event": record["time_range"]["last"] or "none",
        "taken after": record["parent"] or "none: it is the first",
        "accepted": record["accepted_at"] or "validation has not let it through here",
        "data version (DVC)": snapshot.version,
        "therapy digest": record["therapy_digest"],
        "folder": str(snapshot.folder),
    }
    print_lines("Manifest", lines)


def _with_acceptance(snapshot: Any) -> dict[str, Any]:
    at = snapshot.accepted_at
    return {**snapshot.record, "accepted_at": at.isoformat() if at else None}


def _say_moved(how: str, names: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json({how: names})
    else:
        out.print(f"{how.capitalize()}: {', '.join(names)}." if names else f"Nothing to be {how}: all of it is there.")


def _remote(known: Here, therapy: str) -> Any:
    from flows.snapshot_remote import SnapshotRemote

    return SnapshotRemote.of(known.home, known.settings, _name(therapy))


def _name(therapy: str) -> str:
    from posology.therapy_file import load_therapy

    return load_therapy(therapy).name


def _minute(time: str | None) -> str:
    return time[:16].replace("T", " ") if time else ""
