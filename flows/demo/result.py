"""What a demonstration ends with."""

from dataclasses import dataclass
from typing import Any

from flows.demo.living import Lived
from flows.home import Home
from flows.pages import addresses

SHOWN = (
    ("F: squared error of the candidate", "feedback loss"),
    ("F: of ridge", "feedback loss_ridge"),
    ("F: of the content's mean", "feedback loss_content_mean"),
    ("F: of the last value", "feedback loss_last_value"),
    ("F: of the mean", "feedback loss_mean"),
    ("F: least possible (noise)", "feedback knowable"),
    ("F: share of truths in the 90 % interval", "feedback coverage"),
    ("Mf: squared error of the candidate", "status loss"),
    ("Mf: of the last score + mean change", "status loss_last_value_and_mean_change"),
    ("Mf: of the last score", "status loss_last_value"),
    ("Mf: of the mean", "status loss_mean"),
    ("Mf: least possible (noise of the instrument)", "status knowable"),
    ("Mf: share of truths in the 90 % interval", "status coverage"),
    ("policy: mean F as logged", "policy logged"),
    ("policy: estimated off-policy, self-normalised", "policy self_normalised"),
    ("policy: estimated off-policy, doubly robust", "policy doubly_robust"),
    ("policy: as the simulator truly knows it", "policy true"),
    ("logged policy: as the simulator truly knows it", "policy true logged"),
)


@dataclass(frozen=True)
class Result:
    """Both retrainings, their figures, what the patients lived, and where to look."""

    home: Home
    runs: list[dict[str, Any]]
    figures: list[dict[str, float]]
    lived: Lived

    @property
    def addresses(self) -> dict[str, str]:
        """What → address, once ``posology ui`` runs."""
        return addresses(self.home)

    def as_json(self) -> dict[str, Any]:
        """What ``posology demo --json`` prints."""
        return {
            "runs": self.runs,
            "release": self.runs[0]["release"],
            "figures": self.figures,
            "served": {
                "decisions": self.lived.truth.height,
                "by_model": self.lived.by_model,
                "true_value": self.lived.true_value,
            },
            "addresses": self.addresses,
            "home": str(self.home.root),
        }

    def rows(self) -> list[list[str]]:
        """The second candidate against the first: figure, first, second."""
        return [
            [name, *(f"{figures[key]:.3f}" if key in figures else "" for figures in self.figures)]
            for name, key in SHOWN
        ]
