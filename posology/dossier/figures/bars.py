"""Shares and amounts by name."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from posology.dossier.evidence import Figure
from posology.dossier.figures.canvas import CANDIDATE, LINE, OTHER, TRUTH, draw, height_of, name_rows
from posology.dossier.numbers import number, percent

MARKERS = ("o", "s", "^", "v", "P")
COLOURS = (CANDIDATE, OTHER, TRUTH, "#00836b", "#7a4fa3")


def importance_plot(names: Sequence[str], importances: np.ndarray, *, predicted: str, top: int = 15) -> Figure:
    """The features a predictor leans on most.

    Args:
        names: (n_features,) what each is called.
        importances: (n_features,) shown as shares of their sum; below zero counts as none.
        predicted: what is predicted, for example "feedback".
        top: how many to show.
    """
    amounts = np.clip(np.asarray(importances, float), 0, None)
    shares = amounts / (amounts.sum() or 1.0)
    order = np.argsort(-shares, kind="stable")[:top]
    shown = [(names[place], float(shares[place])) for place in order]

    def paint(axes: Axes) -> None:
        name_rows(axes, [name for name, _ in shown])
        axes.barh(range(len(shown)), [share * 100 for _, share in shown], color=CANDIDATE, height=0.62)
        axes.set_xlabel("share of importance (%)")

    return Figure(
        title=f"What predicted {predicted} rests on",
        svg=draw(paint, height=height_of(len(shown))),
        reading=(
            f"The {len(shown)} features with most weight, of {len(names)}. Importance says what the predictor uses, "
            "not what causes the outcome."
        ),
        alternative="; ".join(f"{name} {percent(share)}" for name, share in shown) + ".",
    )


def content_mix_plot(content_mix: Mapping[str, Mapping[str, float]], *, candidate: str, top: int = 15) -> Figure:
    """How often each content is given.

    Args:
        content_mix: content_id → policy → share of decisions.
        candidate: the policy the eye should find.
        top: how many contents to show.
    """
    ranked = sorted(content_mix.items(), key=lambda row: (-max(row[1].values(), default=0.0), row[0]))[:top]
    named = dict.fromkeys(policy for _, shares in ranked for policy in shares)
    policies = sorted(named, key=lambda policy: policy != candidate)

    def paint(axes: Axes) -> None:
        name_rows(axes, [content for content, _ in ranked])
        for place, (_, shares) in enumerate(ranked):
            known = [share * 100 for share in shares.values()]
            axes.plot([min(known, default=0), max(known, default=0)], [place, place], color=LINE, linewidth=4, zorder=1)
        for kind, policy in enumerate(policies):
            dots = [(shares[policy] * 100, place) for place, (_, shares) in enumerate(ranked) if policy in shares]
            x, y = zip(*dots, strict=True)
            mark, colour = MARKERS[kind % len(MARKERS)], COLOURS[kind % len(COLOURS)]
            axes.scatter(x, y, marker=mark, color=colour, label=policy, s=34, zorder=2)
        axes.set_xlabel("share of decisions (%)")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)

    told = "; ".join(
        f"{content}: {', '.join(f'{policy} {percent(share)}' for policy, share in shares.items())}"
        for content, shares in ranked
    )
    return Figure(
        title="What would be given",
        svg=draw(paint, height=height_of(len(ranked)) + 0.25),
        reading=(
            f"The {number(len(ranked))} contents given most, of {number(len(content_mix))}. The distance between two "
            "marks in a row is how much the release would change what patients get."
        ),
        alternative=f"Share of decisions by content: {told}.",
    )
