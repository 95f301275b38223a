"""``review``, ``promote``, ``rollback`` and ``history``."""

import getpass
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.here import Here, HomeOption, JsonOption, TherapyArgument, here
from flows.cli.output import out, print_json, print_table, progress, verdict_text
from serving.modes.plan import read_plan

if TYPE_CHECKING:
    from flows.beside import Ran

review_app = typer.Typer(help="The registry as a reviewer sees it: list, show, sign.", no_args_is_help=True)
ReleaseArgument = Annotated[str, typer.Argument(metavar="RELEASE", help="For example mci-3fa4c1d2e5b6.")]


class Meaning(StrEnum):
    """What a signature says."""

    APPROVE = "approve"
    REJECT = "reject"


@review_app.command("list")
def list_candidates(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Candidates that wait for a signature."""
    cases = [_case(case) for case in _review(here(home)).list_candidates()]
    if as_json:
        print_json(cases)
        return
    if not cases:
        out.print("No candidate waits for a signature; posology retrain makes one.")
        return
    rows = [[case["release"], verdict_text(case["verdict"]), _when(case["created_at"])] for case in cases]
    print_table("Candidates", ["release", "verdict", "made"], rows)
    for case in cases:
        out.print(f"{case['release']}: {case['missing'] or 'signed; posology promote ' + case['therapy']}")


@review_app.command()
def show(release: ReleaseArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """One release: verdicts, dossier, digests, signatures."""
    case = _case(_review(here(home)).show(release))
    if as_json:
        print_json(case)
        return
    guardrails = [
        [item["code"], item["title"], verdict_text(item["verdict"]), item["explanation"]] for item in case["guardrails"]
    ]
    print_table(case["release"], ["code", "asks that", "verdict", "why"], guardrails)
    print_table("What a signature covers", ["part", "value"], [[name, text] for name, text in case["reviewed"].items()])
    signed = [
        [s["name"], s["role"], s["meaning"], str(read_plan(s["plan"])), _when(s["at"]), s["reason"], s["fault"]]
        for s in case["signatures"]
    ]
    print_table("Signatures", ["name", "role", "meaning", "for", "when", "reason", "does not count because"], signed)
    out.print(f"Dossier: {case['dossier']}")
    if case["plan"]:
        out.print(f"Signed for: {read_plan(case['plan'])}")
    out.print(case["missing"] or "Signed: it can be promoted.")


@review_app.command()
def sign(
    release: ReleaseArgument,
    name: Annotated[str, typer.Option("--as", help="Who signs.")],
    meaning: Annotated[Meaning, typer.Option(help="What the signature says.")],
    reason: Annotated[str, typer.Option(help="Why, in words.")],
    role: Annotated[str, typer.Option(help="In what role.")] = "reviewer",
    plan: Annotated[
        str,
        typer.Option(
            metavar="YAML", help="How the release shall be used: a YAML file, or such as 'mode: shadow'; docs/modes.md."
        ),
    ] = "mode: full",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign for or against a release, over its digests and a plan of its use, with the signer's own key."""
    known = here(home)
    asked = plan_from(plan)
    signature = _review(known).sign(
        release, name=name, meaning=meaning.value, reason=reason, role=role, now=datetime.now(UTC), plan=asked
    )
    missing = _review(known).show(release).missing
    if as_json:
        print_json({"signature": signature.model_dump(), "missing": missing})
        return
    out.print(f"{name} signed: {meaning.value} {release} ({asked}).")
    therapy = release.rpartition("-")[0]
    out.print(missing or f"Next: posology promote {therapy}")


def promote(
    therapy: TherapyArgument,
    release: Annotated[
        str | None, typer.Option("--release", metavar="RELEASE", help="Which; else the candidate.", show_default=False)
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Use the signed candidate as it was signed for: verdict, signatures, bundle, probe, and only then the switch.

    It becomes champion, or runs beside the champion. A service that runs takes it over within seconds.
    """
    known = here(home)
    with progress("Starting Prefect") as step:
        promoted = run_promote(known, _name(therapy), step, release)
    if as_json:
        print_json({"release": promoted})
        return
    running = promotion_of(known).beside(_name(therapy))
    if running and running.release == promoted:
        out.print(f"{promoted} runs beside the champion ({running.plan}).")
        out.print(f"Next: posology modes {therapy}")
    else:
        out.print(f"{promoted} is the champion. A service that runs takes it over within seconds.")
        out.print(f"Next: posology serve {therapy}")


def run_promote(known: Here, therapy: str, step: Any, release: str | None = None) -> str:
    """Run the flow with a Prefect server around it; gives the release."""
    from flows.announce import listening
    from flows.orchestration import orchestrated

    promotion_of(known).check_approval(therapy, release)  # a refusal needs no server
    step("Start or join the Prefect server")
    with orchestrated(known.home, known.settings), listening(step):
        from flows.promote import promote as flow

        return str(flow(therapy, getpass.getuser(), str(known.home.root), release))


def rollback(
    therapy: TherapyArgument,
    reason: Annotated[str, typer.Option(help="Why, in words; kept in the history.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the previous champion live again."""
    version = promotion_of(here(home)).rollback(
        _name(therapy), reason=reason, by=getpass.getuser(), now=datetime.now(UTC)
    )
    if as_json:
        print_json({"release": version.release})
    else:
        out.print(f"{version.release} is the champion again. A service that runs takes it over within seconds.")


def history(
    therapy: TherapyArgument,
    at: Annotated[datetime | None, typer.Option(help="Only what was live then (UTC).")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What was live when, and by whose hand."""
    moment = at.replace(tzinfo=UTC) if at else None
    promotion, name = promotion_of(here(home)), _name(therapy)
    reigns = promotion.history(name, moment)
    ran = [one for one in promotion.ran_beside(name) if moment is None or one.covers(moment)]
    if as_json:
        print_json(
            [_told(reign) | {"beside": [_told(one) for one in ran if reign.covers(one.since)]} for reign in reigns]
        )
        return
    if not reigns:
        out.print(f"{name} had no champion{' then' if moment else ' yet'}.")
        return
    rows = [
        [
            reign.release,
            f"{reign.since:%Y-%m-%d %H:%M}",
            f"{reign.until:%Y-%m-%d %H:%M}" if reign.until else "now",
            reign.how,
            str(reign.plan),
            reign.by,
            ", ".join(reign.approved_by),
            reign.reason,
        ]
        for reign in reigns
    ]
    print_table(
        f"Champions of {therapy}", ["release", "since", "until", "how", "mode", "by", "approved by", "reason"], rows
    )
    if ran:
        print_beside(ran)


def print_beside(ran: Sequence["Ran"]) -> None:
    """What ran beside champions, as a table."""
    rows = [
        [
            one.release,
            str(one.plan),
            f"{one.share:.0%}",
            f"{one.since:%Y-%m-%d %H:%M}",
            f"{one.until:%Y-%m-%d %H:%M}" if one.until else "now",
            ", ".join(one.approved_by),
            one.ended,
        ]
        for one in ran
    ]
    print_table("Beside them", ["release", "mode", "share", "since", "until", "approved by", "ended because"], rows)


def plan_from(text: str) -> Any:
    """The plan in a YAML file, or in the text itself."""
    import yaml

    from posology.errors import CannotDo

    file = Path(text)
    try:
        return read_plan(yaml.safe_load(file.read_text(encoding="utf-8") if file.is_file() else text))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise CannotDo(f"--plan: expected a YAML file or text such as 'mode: shadow', got {text!r}") from None


def _told(one: Any) -> dict[str, Any]:
    """A reign or what ran beside it, for programs."""
    return vars(one) | {"plan": one.plan.model_dump(mode="json")}


def _review(known: Here) -> Any:
    from flows.registry import Registry
    from flows.review import Review

    return Review(known.home, known.settings, Registry.open(known.home, known.settings))


def promotion_of(known: Here) -> Any:
    from flows.promotion import Promotion
    from flows.registry import Registry

    return Promotion(known.home, known.settings, Registry.open(known.home, known.settings))


def _name(therapy: str) -> str:
    """The name of a therapy given by name or path."""
    from posology.therapy_file import load_therapy

    return load_therapy(therapy).name


def _when(time: str) -> str:
    """An ISO time as people read it."""
    return f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _case(case: Any) -> dict[str, Any]:
    from flows.signatures import reviewed

    version = case.version
    signatures = [
        {
            **one.signature.model_dump(mode="json"),
            "plan": json.loads(one.signature.plan),
            "fault": one.fault,
            "counts": one.approves,
        }
        for one in case.signatures
    ]
    return {
        "release": version.release,
        "therapy": version.therapy,
        "version": version.version,
        "aliases": list(version.aliases),
        "verdict": version.tags["verdict"],
        "created_at": version.created_at.isoformat(),
        "tags": {name: value for name, value in sorted(version.tags.items()) if not name.startswith("signature.")},
        "reviewed": reviewed(version),
        "guardrails": [finding.as_json() for finding in case.findings],
        "dossier": str(case.dossier),
        "signatures": signatures,
        "plan": case.plan.model_dump(mode="json") if case.plan else None,
        "missing": case.missing,
    }
