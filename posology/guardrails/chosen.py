"""All guardrails, and their thresholds read from params."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from posology.errors import SettingsError, first_few
from posology.guardrails.as_good_as_champion import AsGoodAsChampion
from posology.guardrails.better_than_baselines import FeedbackBetterThanBaselines, StatusBetterThanBaselines
from posology.guardrails.data_valid import DataValid
from posology.guardrails.enough_data import EnoughData
from posology.guardrails.evidence import Evidence
from posology.guardrails.finding import Finding
from posology.guardrails.golden_answers import GoldenAnswers
from posology.guardrails.guardrail import Guardrail
from posology.guardrails.interval_coverage import FeedbackIntervalCoverage, StatusIntervalCoverage
from posology.guardrails.no_unsafe_choice import NoUnsafeChoice
from posology.guardrails.policy_not_worse import PolicyNotWorse
from posology.guardrails.stand_in import FeedbackStandsIn

GUARDRAILS: tuple[type[Guardrail], ...] = (
    DataValid,
    FeedbackBetterThanBaselines,
    StatusBetterThanBaselines,
    FeedbackIntervalCoverage,
    StatusIntervalCoverage,
    FeedbackStandsIn,
    AsGoodAsChampion,
    NoUnsafeChoice,
    PolicyNotWorse,
    EnoughData,
    GoldenAnswers,
)


def guardrails_from(params: Mapping[str, Any]) -> tuple[Guardrail, ...]:
    """Every guardrail with its thresholds.

    Args:
        params: code → threshold → number; all codes and all thresholds, no others.

    Raises:
        SettingsError: one is missing, unknown or not a number it can be.
    """
    _compare(set(params), {kind.code for kind in GUARDRAILS}, "guardrails")
    return tuple(_built(kind, params[kind.code]) for kind in GUARDRAILS)


def judge(guardrails: Iterable[Guardrail], evidence: Evidence) -> tuple[Finding, ...]:
    """What every guardrail finds."""
    return tuple(guardrail.judge(evidence) for guardrail in guardrails)


def _built(kind: type[Guardrail], thresholds: object) -> Guardrail:
    if not isinstance(thresholds, Mapping):
        raise SettingsError(f"guardrails.{kind.code}: expected thresholds by name, got {type(thresholds).__name__}")
    _compare(set(thresholds), {field.name for field in fields(kind)}, f"guardrails.{kind.code}")
    return kind(**thresholds)


def _compare(came: set[str], expected: set[str], where: str) -> None:
    unknown, missing = sorted(map(str, came - expected)), sorted(expected - came)
    said = [f"{what} {first_few(names)}" for what, names in (("unknown", unknown), ("missing", missing)) if names]
    if said:
        raise SettingsError(f"{where}: {'; '.join(said)}; expected {', '.join(sorted(expected))}")
