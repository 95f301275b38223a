"""``evaluate``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.accepted import accepted_tables
from flows.cli.here import HomeOption, JsonOption, TherapyArgument, here
from flows.cli.output import Steps, err, out, print_json, print_table, progress, verdict_text
from posology.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flows.evaluation.off_policy import Valued
    from models.offpolicy import Asked, LoggedChoices
    from models.offpolicy.honesty import Honesty
    from models.policies import Policy
    from posology.tables import Tables
    from posology.therapy import Therapy

DEFAULT = ("self_normalised", "doubly_robust")


def evaluate(
    therapy: TherapyArgument,
    data: Annotated[Path, typer.Option("--data", exists=True, file_okay=False, help="Folder with the four tables.")],
    policy: Annotated[
        list[str],
        typer.Option(
            metavar="POLICY",
            help="logged, random, most-popular, fixed, last-best, champion, candidate, or a release's name or folder.",
        ),
    ],
    estimator: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ESTIMATOR",
            help=(
                "Else self_normalised and doubly_robust. Also ips, clipped, switch, doubly_robust_shrinkage, "
                "self_normalised_doubly_robust, direct_method; of runs of decisions: per_decision, "
                "weighted_per_decision, sequential_doubly_robust, weighted_doubly_robust, marginalised, fitted_q; "
                "all: every one."
            ),
        ),
    ] = None,
    margin: Annotated[
        float | None, typer.Option(min=0, help="Of F, still as good as logged; else that of G401.")
    ] = None,
    horizon: Annotated[int, typer.Option(min=1, help="Decisions in a run.")] = 3,
    discount: Annotated[float, typer.Option(min=0, max=1, help="Of F a decision later in a run.")] = 1.0,
    all_patients: Annotated[
        bool, typer.Option("--all-patients", help="Not only those that no release was fitted on; baselines only.")
    ] = False,
    decisions: Annotated[int, typer.Option(min=1, help="At most, of whole patients.")] = 20_000,
    honesty: Annotated[
        bool,
        typer.Option("--honesty", help="Also try the estimators on a simulator fitted to this log; takes a minute."),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the resampling of patients.")] = 7,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What policies would have been worth on a log: estimate, interval, effective sample size, verdict.

    The value is the mean F of following the policy for one decision (or one run of them) where the logged one was
    followed before. Pass: not worse than what was logged by more than the margin.

    Judged are the patients that no release was fitted or calibrated on (their id decides). Exit status 1 when a
    policy fails or the evidence is insufficient.

    --honesty asks the same estimators about simulated patients like those of the log, where the truth is known: bias,
    intervals that held it, and whether policies come out in the right order.

    posology evaluate mci --data data --policy logged --policy random --policy candidate
    """
    import polars as pl

    from flows.cli.honesty import show_honesty
    from flows.evaluation.off_policy import answer, off_policy_values
    from flows.evaluation.policies import is_release, policy_named
    from flows.params import read_params
    from models.offpolicy import ALL, Asked, LoggedChoices, estimators_named
    from models.split import part_of
    from posology.guardrails import guardrails_from
    from posology.guardrails.finding import Verdict
    from posology.guardrails.policy_not_worse import PolicyNotWorse
    from posology.therapy_file import load_therapy

    if all_patients and is_release(policy):
        raise Refused("--all-patients would judge a release on patients it was fitted on; leave it out")
    checked, known = load_therapy(therapy), here(home)
    not_worse = next(each for each in guardrails_from(read_params().guardrails) if isinstance(each, PolicyNotWorse))
    one_step, of_runs = estimators_named(ALL if estimator == ["all"] else tuple(dict.fromkeys(estimator or DEFAULT)))
    asked = Asked(one_step, of_runs, not_worse.overlap_rule, horizon=horizon, discount=discount, seed=seed)
    if honesty and not one_step:
        raise Refused("--honesty knows the truth of single decisions; expected an estimator of those too")
    margin = not_worse.margin if margin is None else margin
    with progress("Evaluating") as step:
        step("Validate with Great Expectations")
        tables = _accepted(checked, data, therapy)
        ids = tables.users["user_id"]
        is_judged = ids.map_elements(lambda user: all_patients or part_of(user) == "judge", return_dtype=pl.Boolean)
        others = tables if all_patients else tables.of_users(ids.filter(~is_judged))
        policies = {name: policy_named(name, checked, others, known.home, known.settings) for name in policy}
        step("Describe the decisions")
        choices = LoggedChoices.of(checked, tables.of_users(ids.filter(is_judged)), most=decisions, detail=step.detail)
        valued = off_policy_values(choices, policies, asked, margin, step)
        tested = _honesty(choices, tables, policies, asked, margin, step) if honesty else None
    if as_json:
        values = [each.as_json() for each in valued]
        print_json({"values": values, "honesty": tested.as_json()} if tested else values)
    else:
        whom = "all patients" if all_patients else "patients no release was fitted on"
        _show(
            valued,
            f"{len(choices):,} decisions of {len(set(choices.patient.tolist())):,} patients ({whom})",
            margin,
        )
        if tested:
            show_honesty(tested)
    if answer(valued) != Verdict.PASS:
        raise typer.Exit(1)


def _accepted(therapy: "Therapy", data: Path, named: str) -> "Tables":
    tables, counts = accepted_tables(therapy, data, named=named)
    if left_out := sum(count.quarantined for count in counts.values()):
        err.print(f"{left_out:,} rows do not count: posology validate {named} --data {data}")
    return tables


def _honesty(
    choices: "LoggedChoices",
    tables: "Tables",
    policies: "Mapping[str, Policy | None]",
    asked: "Asked",
    margin: float,
    step: Steps,
) -> "Honesty":
    from models.offpolicy.honesty import honesty

    others = {name: policy for name, policy in policies.items() if policy}
    return honesty(
        choices, tables, replace(asked, of_runs=()), margin=margin, policies=others, step=step, detail=step.detail
    )


def _show(valued: "list[Valued]", whom: str, margin: float) -> None:
    rows = [_row(each) for each in valued]
    columns = ["policy", "estimator", "mean F", "95 % interval", "sure at any size", "effective n", "verdict"]
    print_table(f"Off-policy value on {whom}", columns, rows)
    out.print(
        f"Pass: not below the logged mean F by more than {margin:g}. Effective n: equally weighted decisions or runs."
    )
    if valued and valued[0].propensities == "estimated":
        out.print(
            "Propensities were not logged and are ESTIMATED: what moved the choice unseen makes all of this wrong."
        )
    for reason, estimators in _reasons(valued).items():
        out.print(f"{reason} ({', '.join(estimators)})", markup=False)


def _reasons(valued: "list[Valued]") -> dict[str, list[str]]:
    """Why there is no verdict on a policy, and what would settle it → the estimators that say so."""
    found: dict[str, list[str]] = {}
    for each in valued:
        if each.against.reason and each.against.verdict != "not applicable":
            more = each.against.more_decisions
            settle = f"; about {more:,} more decisions would settle it" if more else ""
            found.setdefault(f"{each.policy}: {each.against.reason}{settle}", []).append(each.estimate.estimator)
    return found


def _row(each: "Valued") -> list[str]:
    found, bound = each.estimate, each.estimate.bernstein
    return [
        each.policy,
        found.estimator,
        _number(found.value),
        f"{_number(found.low)} to {_number(found.high)}" if found.low is not None else "",
        f"{bound.low:.3f} to {bound.high:.3f}" if bound else "",
        f"{found.effective_sample_size:,.0f}" if found.effective_sample_size is not None else "",
        verdict_text(each.against.verdict.value),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
