"""The tables and plots of an evaluation, worked out once for the dossier, the metrics and the tracker."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from flows.evaluation.candidate import Candidate
from flows.evaluation.effect_tables import effect_figures, effect_tables, stand_in_rows
from flows.evaluation.effects import EffectsFound
from flows.evaluation.figures import content_mix, course_figure, policy_figures, prediction_figures
from flows.evaluation.groups import group_rows
from flows.evaluation.learning import tuning_figures
from flows.evaluation.logged import Judged
from flows.evaluation.numbers import skill_table, value_rows
from models.targets import Target
from posology.dossier import EffectTable, Figure, GroupRow, SkillTable, StandInRow, ValueRow
from posology.files import write_whole
from posology.guardrails import Evidence


@dataclass(frozen=True)
class Exhibits:
    """What an evaluation shows.

    Attributes:
        skills: each predictor beside its baselines.
        groups: how well each protected group is predicted.
        values: the policy's value by every estimator; none where it was not evaluated.
        mix: content_id → policy → share of the judged decisions.
        effects: of contents on F and on Mf.
        stand_in: whether F stands in for Mf.
        figures: plots by what they are about: a target, ``policy``, ``effects`` or ``course``.
    """

    skills: Mapping[Target, SkillTable]
    groups: tuple[GroupRow, ...]
    values: tuple[ValueRow, ...]
    mix: Mapping[str, Mapping[str, float]]
    effects: tuple[EffectTable, ...]
    stand_in: tuple[StandInRow, ...]
    figures: Mapping[str, tuple[Figure, ...]]

    @classmethod
    def of(cls, candidate: Candidate, evidence: Evidence, judged: Judged | None, effects: EffectsFound) -> Self:
        """The exhibits of a candidate."""
        seed = candidate.params.evaluation.seed
        skills: dict[Target, SkillTable] = {}
        groups: list[GroupRow] = []
        figures: dict[str, tuple[Figure, ...]] = {}
        for target in candidate.targets:
            found = evidence.prediction(target)
            if found is not None:
                skills[target] = skill_table(found, str(candidate.chosen[target]), seed)
                groups += group_rows(candidate, found)
                figures[target] = (
                    *prediction_figures(candidate, found, skills[target]),
                    *tuning_figures(candidate, target),
                )
        values = value_rows(judged.logged, seed) if judged else ()
        mix = content_mix(candidate, judged) if judged else {}
        if judged:
            figures["policy"] = tuple(policy_figures(judged, values, mix))
        if effects.tables:
            figures["effects"] = effect_figures(effects)
        if "feedback" in candidate.targets:
            figures["course"] = (course_figure(candidate),)
        return cls(skills, tuple(groups), values, mix, effect_tables(effects), stand_in_rows(effects, seed), figures)

    def write_figures(self, folder: Path) -> None:
        """One SVG file a plot, in a folder for each thing they are about."""
        for about, figures in self.figures.items():
            for figure in figures:
                name = "".join(letter if letter.isalnum() else "-" for letter in figure.title.lower())
                write_whole(folder / about / f"{name}.svg", figure.svg)
