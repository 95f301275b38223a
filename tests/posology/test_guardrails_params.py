"""Thresholds come from params.yaml, all of them and no others."""

import copy
from pathlib import Path

import pytest
import yaml

from posology.errors import SettingsError
from posology.guardrails import GUARDRAILS, guardrails_from
from posology.guardrails.policy_not_worse import PolicyNotWorse
from posology.offpolicy import OverlapRule

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture
def params():
    return copy.deepcopy(yaml.safe_load(PARAMS.read_text())["guardrails"])


def test_the_shipped_params_give_every_guardrail(params):
    assert [each.code for each in guardrails_from(params)] == [kind.code for kind in GUARDRAILS]


def test_the_shipped_overlap_thresholds_are_those_of_evaluation_by_hand(params):
    guardrail = next(each for each in guardrails_from(params) if isinstance(each, PolicyNotWorse))
    assert guardrail.overlap_rule == OverlapRule()


def test_unknown_and_missing_codes_are_named(params):
    params["G999"] = params.pop("G301")
    with pytest.raises(SettingsError, match="unknown G999; missing G301"):
        guardrails_from(params)


def test_unknown_and_missing_thresholds_are_named(params):
    params["G201"] = {"margin": 0.05, "slack": 1}
    with pytest.raises(SettingsError, match=r"guardrails\.G201: unknown slack; missing minimum_patients"):
        guardrails_from(params)


@pytest.mark.parametrize("thresholds", [None, 3, ["margin"]])
def test_thresholds_that_are_not_named_are_refused(params, thresholds):
    params["G201"] = thresholds
    with pytest.raises(SettingsError, match="G201: expected thresholds by name"):
        guardrails_from(params)


@pytest.mark.parametrize("value", ["0.05", None, True, -0.01, float("nan"), float("inf")])
def test_a_threshold_that_is_no_number_is_refused(params, value):
    params["G201"]["margin"] = value
    with pytest.raises(SettingsError, match=r"G201: margin is .* expected a number"):
        guardrails_from(params)


def test_a_count_must_be_whole(params):
    params["G301"]["minimum_decisions"] = 3000.5
    with pytest.raises(SettingsError, match="expected a whole number"):
        guardrails_from(params)
