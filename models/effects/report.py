"""Effects of content on F and on Mf, and how much it would take to change them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.contents import ContentArrays
from models.effects.doubly_robust import Scores
from models.effects.effects import Arms, By, Effect, effects
from models.effects.sensitivity import Sensitivity, sensitivities
from models.offpolicy import LoggedChoices
from models.targets import Target


@dataclass(frozen=True)
class EffectsOf:
    """The effects on one outcome.

    Attributes:
        target: F in [0, 1], or the gain of Mf in points (more is better) by one decision.
        by: what the arms are.
        reference: what every arm is compared with, the safe default.
        effects: the largest first.
        sensitivities: of the leading arm against every other, the closest first.
        too_few: content_id → patients, of contents that too few patients were given to be an arm.
        is_estimated: whether propensities were estimated.
        patients, decisions: that it rests on.
    """

    target: Target
    by: By
    reference: str
    effects: tuple[Effect, ...]
    sensitivities: tuple[Sensitivity, ...]
    too_few: Mapping[str, int]
    is_estimated: bool
    patients: int
    decisions: int

    @classmethod
    def of(cls, target: Target, scores: Scores, choices: LoggedChoices, by: By, seed: int = 0) -> "EffectsOf":
        """From the scores of the log's decisions."""
        arms = Arms.of(scores, choices, by)
        found = effects(scores, arms, seed)
        return cls(
            target=target,
            by=by,
            reference=scores.ids[0],
            effects=found,
            sensitivities=sensitivities(scores, arms, found),
            too_few=scores.too_few,
            is_estimated=scores.is_estimated,
            patients=len(set(scores.patient.tolist())),
            decisions=len(scores),
        )

    @staticmethod
    def can_group(choices: LoggedChoices) -> bool:
        """Whether contents fall into groups that are fewer than they are."""
        contents = ContentArrays(choices.decisions.therapy, choices.decisions.tables.contents)
        return contents.group_feature is not None and len(contents.group_values) < contents.table.height

    @property
    def closest(self) -> Sensitivity | None:
        """The leading arm against the one that is closest behind."""
        return self.sensitivities[0] if self.sensitivities else None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **vars(self),
            "too_few": dict(self.too_few),
            "effects": [vars(effect) for effect in self.effects],
            "sensitivities": [{**vars(each), "strength": each.strength} for each in self.sensitivities],
        }
