"""``simulate --like``: patients as those of a log, and how far they may be trusted."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.accepted import accepted_tables
from flows.cli.output import Steps, err, out, print_table, verdict_text
from posology.errors import CannotDo

if TYPE_CHECKING:
    from models.simulators import Fidelity, FittedWorld
    from posology.bootstrap import Interval
    from posology.simulators import Cohort, Conditions
    from posology.therapy import Therapy

LikeOption = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        file_okay=False,
        metavar="DIR",
        show_default=False,
        help="Four tables of any therapy: patients like these, who enrol and are treated as these were.",
    ),
]
COLOURS = {"trust": "green", "do not trust": "bold red", "insufficient evidence": "yellow"}
FILE = "fidelity.json"


def like_log(
    step: Steps, therapy: "Therapy", folder: Path, *, named: str, patients: int, seed: int
) -> tuple["FittedWorld", "Fidelity"]:
    """Patients like those of the four tables in a folder, and the fidelity report.

    Args:
        named: the therapy as the user named it.

    Raises:
        TooSmall: the tables hold too little to fit anything.
        DataInvalid: a table rule broke.
    """
    from models.simulators import Fitted, FittedWorld, fidelity

    step(f"Validate {folder}")
    tables, counts = accepted_tables(therapy, folder, named=named)
    for name, count in counts.items():
        if count.quarantined:
            err.print(
                f"{name}: {count.quarantined:,} of {count.rows:,} rows are not fitted to (posology validate says why)"
            )
    step(f"Fit to {folder}")
    world = FittedWorld(Fitted.fit(therapy, tables, seed=seed), patients=patients, seed=seed)
    step("Judge the fit on held-out patients")
    return world, fidelity(therapy, tables, seed=seed)


def refuse_conditions(conditions: "Conditions") -> None:
    """What can be wrong is switched on in mechanisms, not in a log.

    Raises:
        CannotDo: something is switched on.
    """
    from posology.simulators.conditions import NOTHING_WRONG

    if conditions != NOTHING_WRONG:
        raise CannotDo("a log is as it is: expected none of the switches of what is wrong together with --like")


def write_like(cohort: "Cohort", report: "Fidelity", folder: Path) -> None:
    """The cohort, and ``fidelity.json`` beside its tables."""
    from posology.files import whole_folder, write_whole

    with whole_folder(folder) as partial:
        cohort.write(partial)
        write_whole(partial / FILE, json.dumps(report.as_json(), indent=1))


def show_fidelity(report: "Fidelity", folder: Path) -> None:
    """The report as a table, and what it forbids, so that nobody misses it."""
    rows = [
        [
            figure.question.code,
            figure.question.title,
            figure.subject,
            "" if figure.interval is None else _short(figure.interval),
            f"{figure.question.lowest:g} to {figure.question.highest:g}",
            verdict_text(str(figure.verdict), COLOURS),
            figure.advice,
        ]
        for figure in report.figures
    ]
    print_table(
        f"Fidelity: half of the patients teach, the other half judge; of those with sessions "
        f"{report.fitted_patients} and {report.held_out_patients}",
        ["code", "question", "of", "figure", "trusted within", "verdict", "what is missing"],
        rows,
    )
    if report.contents_left_out:
        out.print(f"Not simulated, given too seldom: {', '.join(report.contents_left_out)}", markup=False)
    if report.columns_left_out:
        out.print(f"Not simulated, a patient's own: {', '.join(report.columns_left_out)}", markup=False)
    out.print(f"What each question asks, and why its limits: {folder / FILE}", markup=False)


def warn(report: "Fidelity") -> None:
    """On standard error: what the patients must not be used for."""
    if report.warnings:
        err.print(f"[{COLOURS[str(report.verdict)]}]Simulated patients are not to be trusted everywhere:[/]")
    for warning in report.warnings:
        err.print(f"  {warning}", markup=False, soft_wrap=True)


def _short(interval: "Interval") -> str:
    return f"{interval.value:.3f} ({interval.low:.3f} to {interval.high:.3f})"
