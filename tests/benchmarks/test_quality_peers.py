"""The peers' benchmark: what peers are given, what a policy is truly worth, and the table."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality.against_peers import LOGGED, ORACLE, OURS, result_of
from benchmarks.quality.peers import SERVED, arrays_of, parted
from benchmarks.quality.progress import Progress
from benchmarks.quality.server.log import Flat, Log, greedy, snips
from benchmarks.quality.true_value import true_value
from models.offpolicy import LoggedChoices
from models.policies import Random
from posology.simulators import Clinician, Oracle, simulate
from posology.therapy import Therapy
from posology.therapy_file import load_therapy


@pytest.fixture(scope="module")
def mci() -> Therapy:
    return load_therapy("mci")


@pytest.fixture(scope="module")
def choices(mci: Therapy) -> LoggedChoices:
    return LoggedChoices.of(mci, simulate(mci, patients=40, seed=1, weeks=2).tables)


@pytest.mark.parametrize("name", ["mci", "depression", "tinnitus"])
def test_what_is_shared_is_the_same_for_every_content_and_nothing_is_lost(name: str) -> None:
    therapy = load_therapy(name)
    decisions = LoggedChoices.of(therapy, simulate(therapy, patients=12, seed=1, weeks=1).tables).decisions
    shared, own = parted(decisions)
    assert shared.shape[1] + own.shape[2] == len(decisions.names)
    backwards = replace(decisions, features=decisions.features[:, ::-1])
    np.testing.assert_array_equal(parted(backwards)[0], shared)


def test_a_flat_row_repeats_nothing_and_is_standardised(choices: LoggedChoices) -> None:
    log = Log(**arrays_of(choices))
    rows = Flat.of(log).rows(log.shared, log.own)
    assert np.isfinite(rows).all()
    assert np.abs(np.triu(np.corrcoef(rows.T), k=1)).max() < 0.9999
    assert rows.shape[1] > 60


def test_a_greedy_policy_gives_the_best_of_what_is_eligible(choices: LoggedChoices) -> None:
    log = Log(**arrays_of(choices))
    chosen = greedy(np.tile(np.arange(34), (len(log.given), 1)), log.eligible)
    assert (chosen.sum(axis=1) == 1).all()
    assert not chosen[~log.eligible].any()
    given = np.eye(34)[log.given]
    assert snips(log, given) == pytest.approx(np.average(log.reward, weights=1 / log.propensity))


def test_the_oracle_is_worth_more_than_the_clinic_and_that_more_than_chance(mci: Therapy) -> None:
    oracle, clinic, chance = (
        true_value(policy, mci, patients=60, seed=3) for policy in (Oracle(), Clinician(), Random())
    )
    assert oracle > clinic > chance
    assert chance == pytest.approx(true_value(Clinician(trying=1.0), mci, patients=60, seed=3), abs=0.02)


def test_the_table_says_how_far_ours_is_from_logged_to_oracle_and_from_the_best_peer() -> None:
    policies = (LOGGED, *SERVED, "econml policy forest", OURS, ORACLE)
    values = {policy: [0.4 + place / 10, 0.42 + place / 10] for place, policy in enumerate(policies)}
    result = result_of({"mci": values}, patients=5, world=3)
    assert result.rows[-1] == (ORACLE, "1.010 ± 0.127 (100%)")
    assert "(83%)" in str(result.rows[-2][1])
    assert result.says == ("mci: ours minus the best peer, econml policy forest, is +0.100 ± 0.000.",)


def test_what_was_worked_out_is_not_worked_out_again(tmp_path: Path) -> None:
    progress, turns = Progress(tmp_path / "here" / "values.jsonl"), iter(range(9))
    assert [progress.once(key, lambda: next(turns)) for key in ("a", "b", "a")] == [0, 1, 0]
    assert [json.loads(line) for line in progress.file.read_text().splitlines()] == [["a", 0], ["b", 1]]
