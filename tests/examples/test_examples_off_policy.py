"""Off-policy evaluation on the public data sets: a verdict where they can tell, none where they cannot."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from examples.nback_training import prepare as nback
from examples.oralytics_pilot import prepare as oralytics
from flows.evaluation.off_policy import Valued, answer, off_policy_values
from models.offpolicy import Asked, LoggedChoices
from models.policies import LastBest, Random
from posology.guardrails.finding import Verdict
from posology.offpolicy import ESTIMATORS, Estimate, LoggedDecisions, evaluate
from posology.offpolicy.doubly_robust import DoublyRobust
from posology.offpolicy.ips import IPS
from posology.offpolicy.self_normalised import SelfNormalised
from posology.tables import Tables
from posology.therapy_file import load_therapy

ITEMS = 34  # of the open bandit data's campaign for men


def values_of(file: Path, tables: Tables) -> list[Valued]:
    choices = LoggedChoices.of(load_therapy(file), tables)
    return off_policy_values(choices, {"random": Random(), "last-best": LastBest()}, Asked(), 0.02, lambda _: None)


def test_a_staircase_that_leaves_no_choice_gives_insufficient_evidence_and_no_number(
    raw_folder: Callable[[str], Path],
) -> None:
    found = values_of(nback.THERAPY, nback.prepare(raw_folder("nback_training")))
    assert len(found) == 2 * len(ESTIMATORS)
    assert {each.estimate.value for each in found} == {None}
    assert all("deterministic" in each.against.reason for each in found)
    assert answer(found) == Verdict.INSUFFICIENT


def test_nine_people_are_insufficient_evidence(raw_folder: Callable[[str], Path]) -> None:
    found = values_of(oralytics.THERAPY, oralytics.prepare(raw_folder("oralytics_pilot")))
    assert all("9 patients, at least 10 are needed" in each.against.reason for each in found)
    assert answer(found) == Verdict.INSUFFICIENT


@dataclass(frozen=True)
class Shop:
    """A campaign's impressions by one logging policy, which looks at the position alone."""

    position: np.ndarray
    item: np.ndarray
    click: np.ndarray
    propensity: np.ndarray

    @classmethod
    def read(cls, file: Path) -> "Shop":
        columns = ("position", "item_id", "click", "propensity_score")
        position, *others = pl.read_csv(file).select(columns).to_dict().values()
        return cls(position.to_numpy() - 1, *(column.to_numpy() for column in others))

    @property
    def shares(self) -> np.ndarray:
        """(3, 34) of the items shown at each position: the policy, averaged over the week."""
        shown = np.zeros((3, ITEMS))
        np.add.at(shown, (self.position, self.item), 1)
        return shown / shown.sum(axis=1, keepdims=True)

    def click_rate_of(self, policy: np.ndarray) -> list[Estimate]:
        """Of another policy, (3, 34); clicks are predicted by the rates of items in the other half of the log."""
        half = np.arange(self.item.size) % 2
        clicks, shown = np.zeros((2, ITEMS)), np.zeros((2, ITEMS))
        np.add.at(clicks, (half, self.item), self.click)
        np.add.at(shown, (half, self.item), 1)
        q = (clicks / np.maximum(shown, 1))[1 - half]
        log = LoggedDecisions(
            patient=np.arange(self.item.size),  # nobody is named: every impression counts as a person
            reward=self.click.astype(float),
            propensity=self.propensity,
            target=policy[self.position, self.item],
            predicted_given=q[np.arange(self.item.size), self.item],
            predicted_target=(policy[self.position] * q).sum(axis=1),
            n_eligible=np.full(self.item.size, ITEMS),
        )
        return evaluate(log, (IPS(), SelfNormalised(), DoublyRobust()), np.random.default_rng(7))


@pytest.fixture(scope="module")
def men(raw_folder: Callable[[str], Path]) -> dict[str, Shop]:
    """The campaign for men, by random choice and by Thompson sampling."""
    folder = raw_folder("open_bandit")
    return {name: Shop.read(folder / name / "men" / "men.csv") for name in ("random", "bts")}


def test_click_rates_of_the_open_bandit_data_are_as_published(men: dict[str, Shop]) -> None:
    assert {name: log.click.mean() for name, log in men.items()} == pytest.approx({"random": 0.0046, "bts": 0.0069})


@pytest.mark.parametrize(("logged", "asked"), [("random", "bts"), ("bts", "random")])
def test_the_click_rate_of_one_policy_is_found_in_the_log_of_the_other(
    men: dict[str, Shop], logged: str, asked: str
) -> None:
    policy = men[asked].shares if asked == "bts" else np.full((3, ITEMS), 1 / ITEMS)
    for found in men[logged].click_rate_of(policy):
        assert found.value is not None, found.reason
        assert found.low <= men[asked].click.mean() <= found.high, found
