"""``modes``."""

import getpass
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.here import HomeOption, JsonOption, TherapyArgument, here
from flows.cli.output import out, print_json, print_table, progress
from flows.cli.review import print_beside, promotion_of

if TYPE_CHECKING:
    from flows.beside import Ran
    from flows.promotion import Promotion


def modes(
    therapy: TherapyArgument,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look at the canary once: stop or widen it if that is due.")
    ] = False,
    stop: Annotated[
        str | None, typer.Option(metavar="REASON", help="End what runs beside the champion.", show_default=False)
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Who decides for whom: the champion's plan, what runs beside it, its guards, and what each arm came to.

    `posology serve` watches a canary by itself. Where the service runs by other means, run this with --watch
    every few minutes. Ending what runs beside needs no signature; whatever begins does: posology review sign --plan.
    """
    from posology.therapy_file import load_therapy

    known, name = here(home), load_therapy(therapy).name
    promotion = promotion_of(known)
    if stop is not None:
        ended = promotion.stop_beside(name, reason=stop, by=getpass.getuser(), now=datetime.now(UTC))
        done = f"{ended.release} no longer runs beside the champion."
    else:
        done = _watch(promotion, name) if watch else ""
    with progress("Reading the decisions"):
        told = _told(promotion, name)
    if as_json:
        print_json({"done": done, **told})
        return
    _show(told, done)
    if ran := promotion.ran_beside(name):
        print_beside(ran)


def _watch(promotion: "Promotion", therapy: str) -> str:
    from flows.watch import watch_canary

    return watch_canary(promotion, therapy, datetime.now(UTC))


def _told(promotion: "Promotion", therapy: str) -> dict[str, Any]:
    from models.release import Release
    from serving.modes.outcomes import agreement, outcomes
    from serving.modes.report import arms_report
    from serving.store import Store

    champion, running = promotion.live(therapy), promotion.beside(therapy)
    definition = Release.load(promotion.registry.download(champion)).therapy
    with closing(Store.open(promotion.settings.store_url, definition)) as store:
        arms = [asdict(arm) for arm in arms_report(outcomes(store.engine, definition))]
        watched = agreement(store.engine, definition)
    return {
        "champion": champion.release,
        "plan": promotion.history(therapy)[-1].plan.model_dump(mode="json"),
        "beside": _beside(running) if running else None,
        "guards": _guards(promotion, running) if running and running.plan.mode == "canary" else None,
        "arms": arms,
        "watched": watched,
        "ran": [_beside(one) for one in promotion.ran_beside(therapy)],
    }


def _beside(running: "Ran") -> dict[str, Any]:
    return {**vars(running), "plan": running.plan.model_dump(mode="json"), "share": running.share}


def _guards(promotion: "Promotion", running: "Ran") -> dict[str, Any]:
    from flows.watch import canary_so_far

    return asdict(canary_so_far(promotion, running))


def _show(told: dict[str, Any], done: str) -> None:
    from serving.modes.plan import read_plan

    if done:
        out.print(done)
    out.print(f"Champion: {told['champion']} ({read_plan(told['plan'])})")
    rows = [
        [
            arm["arm"],
            arm["release"],
            f"{arm['patients']:,}",
            f"{arm['decisions']:,}",
            f"{arm['safe_default_share']:.1%}",
            f"{arm['error_share']:.1%}",
            _interval(arm["feedback"]),
            "" if arm["arm"] == "policy" else _interval(arm["difference"]),
        ]
        for arm in told["arms"]
    ]
    columns = ["arm", "decided by", "patients", "decisions", "safe default", "errors", "mean F", "less that of policy"]
    print_table("Arms", columns, rows)
    if told["guards"]:
        _show_guards(told["guards"], read_plan(told["beside"]["plan"]).guards)
    if told["watched"]:
        watched = [
            [
                one["release"],
                one["decided_by"],
                f"{one['patients']:,}",
                f"{one['decisions']:,}",
                f"{one['agreement']:.1%}",
            ]
            for one in told["watched"]
        ]
        print_table("Watching only", ["release", "decided by", "patients", "decisions", "same content"], watched)


def _show_guards(found: dict[str, Any], guards: Any) -> None:
    rows = [
        ["safe default share", _share(found["safe_default_share"]), f"at most {guards.safe_default_share:.1%}"],
        ["error share", _share(found["error_share"]), f"at most {guards.error_share:.1%}"],
        [
            "mean F less the champion's",
            _interval(found["difference"]),
            f"at most {guards.worse_by:g} less, beyond chance",
        ],
        ["mean F", _interval(found["feedback"]), _lower(guards.least_feedback)],
    ]
    title = f"Guards of the canary: {found['decisions']:,} decisions of {found['patients']:,} patients"
    print_table(title, ["guard", "now", "limit"], rows)
    out.print(f"It will be stopped: {found['stop']}" if found["stop"] else "No guard stops it.")


def _lower(least: float | None) -> str:
    return "not looked at" if least is None else f"lower bound at least {least:g}"


def _share(share: float | None) -> str:
    return "no decisions yet" if share is None else f"{share:.1%}"


def _interval(found: dict[str, float] | None) -> str:
    if found is None:
        return "too few patients"
    return f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"
