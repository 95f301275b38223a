"""One look for all plots, and SVG that is the same bytes for the same numbers."""

import io
from collections.abc import Callable
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, QUIET, LINE = "#1b2733", "#52606d", "#d7dee5"
CANDIDATE, OTHER, TRUTH = "#005f8f", "#7b8794", "#b3450f"  # told apart by lightness and marker too
WIDTH = 4.9  # inches
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "posology",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.parse_math": False,  # a name may hold a dollar sign
    "text.color": INK,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


def draw(paint: Callable[[Axes], None], *, height: float = 3.1) -> str:
    """SVG text of what ``paint`` puts on the axes; ``height`` in inches."""
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        paint(figure.add_subplot())
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()


def name_rows(axes: Axes, names: list[str]) -> None:
    """Rows from top to bottom, each with its name, and nothing that distracts."""
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def height_of(rows: int) -> float:
    """Inches that so many rows need."""
    return 1.15 + 0.27 * max(rows, 2)


def _short(name: str, limit: int = 34) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"
