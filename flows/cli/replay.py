"""``replay``."""

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.here import Here, HomeOption, JsonOption, here
from flows.cli.output import out, print_json, print_table, progress
from posology.errors import CannotDo, NotFound

if TYPE_CHECKING:
    from serving.replay import Replayed

SHOWN = 20  # of those that differ
TOLD_EVERY = 100


def replay(
    decision_id: Annotated[str | None, typer.Argument(metavar="DECISION_ID", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Every decision in the operational store.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a logged decision again, from the log and its release, and say whether every bit is the same.

    Also years and releases later: the release is taken from the registry by its digest, the course as it was known
    then. Exit status 1 when something differs.
    """
    if (decision_id is None) is not every:
        raise CannotDo("expected a decision_id, or --all for every decision in the store")
    found = list(_replayed(here(home), decision_id))
    if not found:
        raise NotFound("the store holds no decision that was made here; expected some, is it the right --home?")
    differ = [each for each in found if not each.equal]
    if not every:
        _show(found[0], as_json=as_json)
    elif as_json:
        told = [{"decision_id": each.decision_id, "differences": each.differences} for each in differ]
        print_json({"equal": not differ, "decisions": len(found), "differences": told})
    else:
        out.print(f"{len(found) - len(differ):,} of {len(found):,} decisions are the same, bit for bit.")
        if differ:
            rows = [[each.decision_id, ", ".join(each.differences[:5])] for each in differ[:SHOWN]]
            print_table("What differs", ["decision", "fields"], rows)
    raise typer.Exit(1 if differ else 0)


def _show(replayed: "Replayed", *, as_json: bool) -> None:
    if as_json:
        print_json({"equal": replayed.equal, "differences": replayed.differences})
    elif replayed.equal:
        out.print("The same, bit for bit.")
    else:
        out.print(f"Not the same: {', '.join(replayed.differences)}")


def _replayed(known: Here, decision_id: str | None) -> Iterator["Replayed"]:
    """Decisions of one release after another."""
    from flows.registry import Registry
    from models.release import Release
    from serving.replay import Replaying, made_by
    from serving.store import Store

    registry = Registry.open(known.home, known.settings)
    with progress("Replaying") as step:
        for name, ids in made_by(known.settings.store_url, decision_id).items():
            step(f"Make {len(ids):,} decisions of {name} again")
            release = Release.load(registry.download(registry.find(name)))
            with closing(Store.open(known.settings.store_url, release.therapy)) as store:
                replaying = Replaying(release, store)
                found = (
                    replaying.all() if decision_id is None else (replaying.one(store.decision(each)) for each in ids)
                )
                for number, replayed in enumerate(found, start=1):
                    if number % TOLD_EVERY == 0:
                        step.detail(f"{number:,} of {len(ids):,}")
                    yield replayed
