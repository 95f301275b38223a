"""``simulate``."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.here import HomeOption, JsonOption, TherapyArgument, here
from flows.cli.like import LikeOption, like_log, refuse_conditions, show_fidelity, warn, write_like
from flows.cli.output import out, print_json, print_table, progress

if TYPE_CHECKING:
    from models.simulators import Fidelity
    from posology.simulators import Cohort, Policy, Simulator

TREATING, WRONG = "Who treats them", "What is wrong with the log or the population: 0 is off, 1 as bad as it gets"
POLICIES = ("clinician", "uniform", "schedule", "last-best", "epsilon-greedy", "oracle")
PolicyOption = Annotated[
    str,
    typer.Option(
        metavar="POLICY",
        rich_help_panel=TREATING,
        help=f"{', '.join(POLICIES)}; or a release, by its name in the registry or its folder.",
    ),
]


def _strength(says: str) -> Any:
    return typer.Option(min=0.0, max=1.0, metavar="STRENGTH", rich_help_panel=WRONG, help=says)


def simulate(
    therapy: TherapyArgument,
    patients: Annotated[int, typer.Option(min=1, help="How many patients.")] = 600,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same cohort.")] = 7,
    weeks: Annotated[int, typer.Option(min=1, max=520, help="Over which they enrol.")] = 32,
    out_folder: Annotated[Path, typer.Option("--out", help="New folder for the four tables.")] = Path("data"),
    like: LikeOption = None,
    policy: PolicyOption = "clinician",
    epsilon: Annotated[
        float, typer.Option(min=0.0, max=1.0, rich_help_panel=TREATING, help="Of epsilon-greedy.")
    ] = 0.2,
    withhold_propensities: Annotated[
        bool,
        typer.Option(
            "--withhold-propensities",
            rich_help_panel=TREATING,
            help="Leave the logged probabilities out of sessions.parquet; the truth keeps them.",
        ),
    ] = False,
    confounding: Annotated[float, _strength("A patient's form, written nowhere, moves choice and answer.")] = 0.0,
    misleading: Annotated[float, _strength("Contents that score well do not heal.")] = 0.0,
    drift: Annotated[float, _strength("Over the calendar: what is liked, and who enrols.")] = 0.0,
    sites: Annotated[float, _strength("Differences between sites.")] = 0.0,
    transfer: Annotated[float, _strength("The way to a second, sicker population.")] = 0.0,
    dropout: Annotated[float, _strength("Whom little pleases leaves much sooner.")] = 0.0,
    deterring: Annotated[float, _strength("Contents that score well make patients leave.")] = 0.0,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate a cohort whose truth is known: four tables, and the truth in OUT/truth/.

    truth.parquet: for every decision the mean F of every content, the best one, and the true chance of the given one.

    patients.parquet: every patient's true status at the start and at the end.

    summary.json: what the policy was worth, beside chance and the best, and the noise that no prediction can beat.

    Two policies are compared on the same patients by the same seed:

    posology simulate mci --policy uniform --out data/uniform

    posology simulate mci --policy oracle --out data/oracle

    Of your own data, with a report of how far the patients may be trusted (fidelity.json):

    posology simulate therapy.yaml --like data/mine --out data/like-mine
    """
    from posology.files import refuse_in_use
    from posology.simulators import Clinician, Conditions, World, treat
    from posology.therapy_file import load_therapy

    refuse_in_use(out_folder)
    checked = load_therapy(therapy)
    conditions = Conditions(confounding, misleading, drift, sites, transfer, dropout, deterring)
    chosen = _policy(policy, epsilon, home) if like is None or policy != "clinician" else Clinician(trying=0.0)
    report: Fidelity | None = None
    with progress(f"Simulating {patients:,} patients") as step:
        world: Simulator
        if like is None:
            world = World(
                checked,
                patients=patients,
                seed=seed,
                enrolment_days=7 * weeks,
                conditions=conditions,
                abreast=not chosen.learns,
            )
        else:
            refuse_conditions(conditions)
            world, report = like_log(step, checked, like, named=therapy, patients=patients, seed=seed)
        step(f"Simulate {patients:,} patients")
        cohort = treat(
            world,
            chosen,
            seed=seed,
            withhold_propensities=withhold_propensities,
            each_day=lambda day: step.detail(f"{day / (world.last_day + 1):.0%}, day {day:,} of {world.last_day:,}"),
        )
        step(f"Write {out_folder}")
        if report is None:
            cohort.write(out_folder)
        else:
            write_like(cohort, report, out_folder)
    _show(cohort, report, therapy, out_folder, as_json=as_json)
    if report is not None:
        warn(report)


def _policy(name: str, epsilon: float, home: Path | None) -> "Policy":
    from models.policies import FixedSchedule, LastBest
    from models.treating import Treating
    from posology.simulators import Clinician, EpsilonGreedy, Oracle, Policy

    if name not in POLICIES:
        return _release(name, home)
    known: tuple[Policy, ...] = (
        Clinician(),
        Clinician(trying=1.0),
        Treating(FixedSchedule()),
        Treating(LastBest()),
        EpsilonGreedy(epsilon),
        Oracle(),
    )
    return dict(zip(POLICIES, known, strict=True))[name]


def _release(name: str, home: Path | None) -> "Policy":
    from flows.registry import RELEASE_NAME, Registry
    from models.release import Release
    from models.released import Released
    from models.treating import Treating
    from posology.errors import NotFound

    if Path(name, "release.json").is_file():
        return Treating(Released(Release.load(Path(name))))
    if not RELEASE_NAME.fullmatch(name):
        raise NotFound(f"no policy {name!r}: expected {', '.join(POLICIES)}, or a release's name or folder")
    known = here(home)
    registry = Registry.open(known.home, known.settings)
    return Treating(Released(Release.load(registry.download(registry.find(name)))))


def _show(cohort: "Cohort", report: "Fidelity | None", therapy: str, folder: Path, *, as_json: bool) -> None:
    tables, truth = cohort.tables, cohort.truth.summary()
    rows = {name: getattr(tables, name).height for name in ("users", "measurements", "contents", "sessions")}
    if as_json:
        told = {} if report is None else {"fidelity": report.as_json()}
        print_json({"folder": str(folder), "rows": rows, "truth": truth, **told})
        return
    print_table(f"Cohort in {folder}", ["table", "rows"], [[name, f"{n:,}"] for name, n in rows.items()])
    feedback, status, noise = truth["feedback"], truth["status"], truth["noise"]
    known = {
        "mean F: what was given": feedback["given"],
        "mean F: chance": feedback["uniform"],
        "mean F: the best content": feedback["oracle"],
        "mean status: at the start": status["start"],
        "mean status: at the end": status["end"],
        "squared error no prediction of F can beat": noise["feedback"],
        "squared error no prediction of Mf can beat": noise["status"],
    }
    print_table(
        f"The truth, in {folder}/truth", ["", "true"], [[name, _number(value)] for name, value in known.items()]
    )
    if report is not None:
        show_fidelity(report, folder)
    can_pass = tables.sessions["probability"].null_count() == 0  # without them no policy can be evaluated
    out.print(f"Next: posology {'retrain' if can_pass else 'validate'} {therapy} --data {shlex.quote(str(folder))}")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
