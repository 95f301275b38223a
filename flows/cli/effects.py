"""``effects``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli.accepted import accepted_tables
from flows.cli.here import JsonOption, TherapyArgument
from flows.cli.output import err, out, print_json, print_table, progress
from posology.errors import TooSmall

if TYPE_CHECKING:
    from models.effects import Effect, EffectsOf, Sensitivity

CLOSEST = 3  # of those behind the leader, shown for people


def effects(
    therapy: TherapyArgument,
    data: Annotated[Path, typer.Option("--data", exists=True, file_okay=False, help="Folder with the four tables.")],
    by: Annotated[
        Literal["content", "group"], typer.Option(help="Compare contents one by one, or groups of them.")
    ] = "group",
    decisions: Annotated[int, typer.Option(min=100, help="At most, of whole patients.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the intervals that hold for all at once.")] = 7,
    as_json: JsonOption = False,
) -> None:
    """What contents do to F and to Mf, against the safe default: an effect, not only a correlation.

    Doubly robust and cross-fitted by patient: right where the logged propensities, or the predictions, are. Beside
    it what the plain predictor says and what the log shows untouched, and how strong something unobserved would
    have to be to put another content first. Needs: pip install 'posology[causal]'.

    posology effects mci --data data --by content
    """
    from models.effects import EffectsOf, Scores, logs_of
    from posology.therapy_file import load_therapy

    checked = load_therapy(therapy)
    found: list[EffectsOf] = []
    wanting: dict[str, str] = {}
    with progress("Estimating effects") as step:
        step("Validate with Great Expectations")
        tables, counts = accepted_tables(checked, data, named=therapy)
        step("Describe the decisions")
        logs = logs_of(checked, tables, most=decisions)
        for target, choices in logs.items():
            step(f"Effects on {target}")
            try:
                found.append(EffectsOf.of(target, Scores.of(choices, target), choices, by, seed))
            except TooSmall as reason:
                wanting[target] = str(reason)
    if left_out := sum(count.quarantined for count in counts.values()):
        err.print(f"{left_out:,} rows do not count: posology validate {therapy} --data {data}")
    if checked.status is not None and "status" not in logs:
        wanting["status"] = "too few finished courses: Mf is known of fewer than 10 patients"
    if as_json:
        print_json({"effects": [each.as_json() for each in found], "insufficient_evidence": wanting})
    else:
        for each in found:
            _show(each)
        for name, why in wanting.items():
            out.print(f"Effects on {name}: insufficient evidence: {why}", markup=False)
    if not found:
        raise typer.Exit(1)


def _show(found: "EffectsOf") -> None:
    outcome = "F" if found.target == "feedback" else "the gain of Mf (points) by one decision"
    columns = ["arm", "effect", "95 % interval", "95 % of all at once", "predictor", "naive", "patients", "decisions"]
    title = (
        f"Effect on {outcome}, against {found.reference} ({found.decisions:,} decisions of {found.patients:,} patients)"
    )
    print_table(title, columns, [_row(effect) for effect in found.effects])
    if found.too_few:
        out.print(f"Given to too few patients to compare: {', '.join(found.too_few)}", markup=False)
    columns = ["first", "against", "by", "95 % interval", "odds", "sure", "robustness", "E-value", "strength"]
    print_table(
        "What it would take to turn the order", columns, [_turned(each) for each in found.sensitivities[:CLOSEST]]
    )
    out.print(
        "Odds: by which something unobserved would have to shift the choice (1: nothing is needed); sure: to bring "
        "the interval to 0."
    )
    if found.is_estimated:
        out.print("Propensities were not logged and are ESTIMATED: confounding is possible.")


def _row(effect: "Effect") -> list[str]:
    return [
        effect.arm,
        f"{effect.value:.3f}",
        f"{effect.low:.3f} to {effect.high:.3f}",
        f"{effect.low_of_all:.3f} to {effect.high_of_all:.3f}",
        f"{effect.predicted:.3f}",
        f"{effect.naive:.3f}",
        f"{effect.patients:,}",
        f"{effect.decisions:,}",
    ]


def _turned(each: "Sensitivity") -> list[str]:
    return [
        each.leader,
        each.other,
        f"{each.difference:.3f}",
        f"{each.low:.3f} to {each.high:.3f}",
        f"{each.odds:.2f}",
        f"{each.odds_sure:.2f}",
        f"{each.robustness:.3f}",
        f"{each.e_value:.2f}",
        each.strength,
    ]
