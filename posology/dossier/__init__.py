"""The evidence a reviewer reads and signs, as one self-contained page."""

from posology.dossier.effects import EffectRow, EffectTable, StandInRow
from posology.dossier.evidence import (
    DataFacts,
    Dossier,
    Estimate,
    Figure,
    GroupRow,
    PatientsRow,
    SafetyLine,
    SkillRow,
    SkillTable,
    TherapyFacts,
    ValueRow,
)
from posology.dossier.page import render

__all__ = [
    "DataFacts",
    "Dossier",
    "EffectRow",
    "EffectTable",
    "Estimate",
    "Figure",
    "GroupRow",
    "PatientsRow",
    "SafetyLine",
    "SkillRow",
    "SkillTable",
    "StandInRow",
    "TherapyFacts",
    "ValueRow",
    "render",
]
