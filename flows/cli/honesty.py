"""The honesty test's table."""

from typing import TYPE_CHECKING

from flows.cli.like import COLOURS
from flows.cli.output import out, print_table, verdict_text

if TYPE_CHECKING:
    from models.offpolicy.honesty import Honesty, Told
    from posology.bootstrap import Interval


def show_honesty(found: "Honesty") -> None:
    """How each estimator did in the simulator, and how far the simulator may be trusted."""
    print_table(
        f"Honesty of the estimators on {found.worlds} simulated cohorts of {found.patients:,} patients like the log's",
        ["estimator", "answered", "bias (F)", "largest bias (F)", "of policy", "intervals held", "ranks", "verdict"],
        [_row(each) for each in found.told],
    )
    out.print(
        f"Policies: {', '.join(found.policies)}. Pass: every policy's bias is surely within {found.margin:g}; "
        "ranks: Spearman's correlation with the true order.",
        markup=False,
    )
    trust = verdict_text(str(found.fidelity.verdict), COLOURS)
    out.print(f"Is the simulator like the log? {trust}. What it says of the estimators holds so far as it is.")
    for warning in found.fidelity.warnings:
        out.print(f"  {warning}", markup=False)


def _row(told: "Told") -> list[str]:
    return [
        told.estimator,
        f"{told.answered:.0%}",
        _give_or_take(told.bias),
        _give_or_take(told.worst_bias),
        told.worst_policy or "",
        "" if told.covered is None else f"{told.covered:.0%}",
        f"{told.ranks.value:.2f} ({told.ranks.low:.2f} to {told.ranks.high:.2f})" if told.ranks else "",
        verdict_text(told.verdict.value),
    ]


def _give_or_take(bias: "Interval | None") -> str:
    return f"{bias.value:+.3f} ± {bias.high - bias.value:.3f}" if bias else ""
