"""``replay``."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.here import Here, HomeOption, JsonOption, here
from flows.cli.output import out, print_json, print_table, progress, progress_bar
from posology.errors import CannotDo, NotFound

if TYPE_CHECKING:
    from serving.replay import Replayed

SHOWN = 20  # of those that differ


def replay(
    decision_id: Annotated[
        str | None,
        typer.Argument(metavar="DECISION_ID", help="As the service answered it; else --all.", show_default=False),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every decision in the operational store.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Processes for --all; each takes seconds to start.")] = 1,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a logged decision again, from the log and its release, and say whether every bit is the same.

    Also years and releases later: the release is taken from the registry by its digest, the course as it was known
    then. With --all also what a shadow or an apprentice would have done. Exit status 1 when something differs.
    """
    if (decision_id is None) is not every:
        raise CannotDo("expected a decision_id, or --all for every decision in the store")
    if decision_id is not None:
        replayed = _one(here(home), decision_id)
        _show(replayed, as_json=as_json)
        raise typer.Exit(0 if replayed.equal else 1)
    count, differ = 0, []
    for replayed in _all(here(home), jobs):
        count += 1
        if not replayed.equal:
            differ.append(replayed)
    _show_all(differ, count, as_json=as_json)
    raise typer.Exit(1 if differ else 0)


def _show_all(differ: "list[Replayed]", count: int, *, as_json: bool) -> None:
    if as_json:
        told = [
            {"decision_id": each.decision_id, "considered": each.considered, "differences": each.differences}
            for each in differ
        ]
        print_json({"equal": not differ, "decisions": count, "differences": told})
        return
    out.print(f"{count - len(differ):,} of {count:,} decisions are the same, bit for bit.")
    if differ:
        rows = [[_name(each), ", ".join(each.differences[:5])] for each in differ[:SHOWN]]
        print_table("What differs", ["decision", "fields"], rows)


def _name(replayed: "Replayed") -> str:
    return f"{replayed.decision_id} (considered)" if replayed.considered else replayed.decision_id


def _show(replayed: "Replayed", *, as_json: bool) -> None:
    if as_json:
        print_json({"equal": replayed.equal, "differences": replayed.differences})
    elif replayed.equal:
        out.print("The same, bit for bit.")
    else:
        out.print(f"Not the same: {', '.join(replayed.differences)}")


def _one(known: Here, decision_id: str) -> "Replayed":
    from models.release import Release
    from serving.replay import release_of, replay
    from serving.store import Store

    with progress("Replaying") as step:
        name = release_of(known.settings.store_url, decision_id)
        step(f"Make a decision of {name} again")
        release = Release.load(_folder(known, name))
        with closing(Store.open(known.settings.store_url, release.therapy)) as store:
            return replay(release, store, store.decision(decision_id))


def _all(known: Here, jobs: int) -> Iterator["Replayed"]:
    """Decisions of one release after another."""
    from serving.replay_all import made_by
    from serving.replay_jobs import replay_in_processes

    counts = made_by(known.settings.store_url)
    if not counts:
        raise NotFound(
            "nothing to replay: the store holds no decision that was made here; is it the right --home? "
            "What `posology serve` answers is there from then on"
        )
    with progress_bar("Make decisions again", sum(counts.values())) as advance:
        for name in counts:
            for replayed in replay_in_processes(_folder(known, name), known.settings.store_url, jobs):
                advance()
                yield replayed


def _folder(known: Here, name: str) -> Path:
    """Of a release."""
    from flows.registry import Registry

    registry = Registry.open(known.home, known.settings)
    return registry.download(registry.find(name))
