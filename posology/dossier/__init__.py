"""The evidence a reviewer reads and signs, as one self-contained page."""

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
    "Estimate",
    "Figure",
    "GroupRow",
    "PatientsRow",
    "SafetyLine",
    "SkillRow",
    "SkillTable",
    "TherapyFacts",
    "ValueRow",
    "render",
]
