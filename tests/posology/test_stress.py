"""The stress set binds rules and caps, and its own reckoning of what is forbidden agrees with the shield."""

import numpy as np
import polars as pl
import pytest

from models.contents import ContentArrays
from models.features import Features
from posology import safety
from posology.safety import blocks
from posology.stress import forbidden, last_sessions, stress_tables
from posology.tables import Tables, catalogue_of
from posology.therapy import Therapy
from posology.therapy_file import load_therapy

NAMES = ["depression", "mci", "tinnitus"]
DECISIONS = 400


def shielded(therapy: Therapy, tables: Tables) -> np.ndarray:
    """(n_users, n_contents) what the shield blocks in each user's last session."""
    features = Features(therapy, ContentArrays(therapy, tables.contents))
    _, situations, recent = features.of_candidates(tables, last_sessions(tables))
    return ~blocks(therapy, tables.contents, situations, recent).eligible


@pytest.fixture(scope="module")
def stressed() -> dict[str, tuple[Therapy, Tables, np.ndarray]]:
    found = {}
    for name in NAMES:
        therapy = load_therapy(name)
        tables = stress_tables(therapy, catalogue_of(therapy), decisions=DECISIONS, rng=np.random.default_rng(3))
        found[name] = therapy, tables, forbidden(therapy, tables)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_shield_blocks_exactly_what_is_forbidden(stressed, name):
    therapy, tables, is_forbidden = stressed[name]
    assert np.array_equal(shielded(therapy, tables), is_forbidden)


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_and_cap_binds_somewhere(stressed, name):
    therapy, tables, _ = stressed[name]
    features = Features(therapy, ContentArrays(therapy, tables.contents))
    _, situations, recent = features.of_candidates(tables, last_sessions(tables))
    codes = {rule.code for rule in therapy.safety.rules} | {safety.IN_A_ROW, safety.MINUTES, safety.SHARE}
    assert set(blocks(therapy, tables.contents, situations, recent).by_code) == codes


@pytest.mark.parametrize(
    ("cap", "factor"), [("same_content_in_a_row", 1), ("minutes_per_day", 1), ("feature_share_of_last_10", 0.1)]
)
@pytest.mark.parametrize("name", NAMES)
def test_a_cap_that_is_off_by_one_is_noticed(stressed, name, cap, factor):
    therapy, tables, is_forbidden = stressed[name]
    caps = therapy.safety.caps
    loose = caps.model_copy(update={cap: getattr(caps, cap) + factor})
    mutant = therapy.model_copy(update={"safety": therapy.safety.model_copy(update={"caps": loose})})
    assert (is_forbidden & ~shielded(mutant, tables)).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_that_is_forgotten_is_noticed(stressed, name):
    therapy, tables, is_forbidden = stressed[name]
    for place in range(len(therapy.safety.rules)):
        rest = (*therapy.safety.rules[:place], *therapy.safety.rules[place + 1 :])
        mutant = therapy.model_copy(update={"safety": therapy.safety.model_copy(update={"rules": rest})})
        assert (is_forbidden & ~shielded(mutant, tables)).any(), therapy.safety.rules[place].code


def test_the_unknown_let_through_is_noticed(stressed):
    therapy, tables, is_forbidden = stressed["mci"]
    known = {rule.code: f"COALESCE({rule.forbid}, FALSE)" for rule in therapy.safety.rules}
    rules = tuple(rule.model_copy(update={"forbid": known[rule.code]}) for rule in therapy.safety.rules)
    mutant = therapy.model_copy(update={"safety": therapy.safety.model_copy(update={"rules": rules})})
    assert (is_forbidden & ~shielded(mutant, tables)).any()


def test_a_day_s_dose_that_is_counted_short_is_noticed(stressed):
    therapy, tables, is_forbidden = stressed["mci"]
    features = Features(therapy, ContentArrays(therapy, tables.contents))
    _, situations, recent = features.of_candidates(tables, last_sessions(tables))
    tired = safety.RecentDoses(recent.last_content, recent.times_in_a_row, recent.minutes * 0.9, recent.feature_counts)
    assert (is_forbidden & blocks(therapy, tables.contents, situations, tired).eligible).any()


@pytest.mark.parametrize("name", NAMES)
def test_the_safe_default_is_never_forbidden(stressed, name):
    therapy, tables, is_forbidden = stressed[name]
    default = (tables.contents["content_id"] == therapy.safety.safe_default).to_numpy()
    assert not is_forbidden[:, default].any()
    assert is_forbidden[:, ~default].any(axis=0).all()


def test_a_therapy_without_rules_and_caps_forbids_nothing():
    therapy = load_therapy("mci")
    therapy = therapy.model_copy(update={"safety": type(therapy.safety)(safe_default="rest")})
    tables = stress_tables(therapy, catalogue_of(therapy), decisions=20, rng=np.random.default_rng(3))
    assert not forbidden(therapy, tables).any()
    assert not shielded(therapy, tables).any()


def test_the_same_generator_gives_the_same_situations():
    therapy = load_therapy("tinnitus")
    one, other = (
        stress_tables(therapy, catalogue_of(therapy), decisions=30, rng=np.random.default_rng(5)) for _ in range(2)
    )
    assert one.sessions.equals(other.sessions)
    assert one.users.equals(other.users)


def test_last_sessions_are_each_users_latest():
    therapy = load_therapy("mci")
    tables = stress_tables(therapy, catalogue_of(therapy), decisions=30, rng=np.random.default_rng(5))
    rows = tables.sessions[last_sessions(tables)]
    assert rows["user_id"].to_list() == tables.users["user_id"].to_list()
    latest = tables.sessions.group_by("user_id", maintain_order=True).agg(pl.col("decided_at").max())
    assert rows["decided_at"].to_list() == latest["decided_at"].to_list()
