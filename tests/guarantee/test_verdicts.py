"""A good cohort passes all guardrails; a release made bad on purpose does not, and cannot be promoted."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from flows.evaluation.report import Origin
from flows.home import Home
from flows.params import Params, read_params
from flows.promotion import Promotion
from flows.quiet import be_quiet
from flows.registry import Registry
from flows.review import Review
from flows.settings import Settings
from flows.stages.evaluate import evaluate
from flows.stages.featurize import featurize
from flows.stages.release import release
from flows.stages.snapshot import snapshot
from flows.stages.train import train_feedback, train_status
from flows.stages.train_policy import train_policy
from flows.stages.validate import validate
from flows.workspace import Workspace, read_json
from models.policies import Decisions, Dpo
from posology import safety
from posology.errors import NotSigned, Refused
from posology.simulators import simulate
from posology.therapy_file import load_therapy
from serving import ranking

ORIGIN = Origin("0" * 32, Path("data"), "c" * 40, "Author", "posology retrain")
NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
Variant = Callable[..., Workspace]
Verdicts = dict[str, str]


def trained(folder: Path, params: Params, therapy: str, *, patients: int, seed: int) -> Workspace:
    """A workspace with everything but the judgement."""
    simulate(load_therapy(therapy), patients=patients, seed=seed).write(folder / "data")
    workspace = Workspace(folder / "work")
    snapshot(workspace, therapy, folder / "data")
    validate(workspace)
    featurize(workspace, params)
    train_feedback(workspace, params)
    train_status(workspace, params)
    train_policy(workspace, params)
    return workspace


def judged(workspace: Workspace, params: Params) -> Verdicts:
    """Code → verdict, with the overall one as ``all``."""
    evaluate(workspace, params, ORIGIN)
    release(workspace)
    found = read_json(workspace.release / "guardrails.json")
    return {item["code"]: item["verdict"] for item in found["guardrails"]} | {"all": found["verdict"]}


@pytest.fixture(scope="module")
def params() -> Params:
    return read_params()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, params: Params) -> Workspace:
    """1,000 patients: some 600 are the least with which the shipped guardrails let anything pass."""
    return trained(tmp_path_factory.mktemp("good"), params, "mci", patients=1000, seed=7)


@pytest.fixture
def variant(good: Workspace, tmp_path: Path) -> Variant:
    """The good workspace with parts of its own, which may be changed; the others are shared."""

    def make(*own: str) -> Workspace:
        workspace = Workspace(tmp_path / "work")
        workspace.root.mkdir()
        for part in ("snapshot", "validation", "features", "training-feedback", "training-status", "training-policy"):
            if part not in own:
                (workspace.root / part).symlink_to(good.root / part)
            else:
                for file in (path for path in (good.root / part).rglob("*") if path.is_file()):
                    copy = workspace.root / part / file.relative_to(good.root / part)
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    copy.write_bytes(file.read_bytes())
        return workspace

    return make


@pytest.fixture(scope="module")
def promotion(tmp_path_factory: pytest.TempPathFactory) -> Promotion:
    be_quiet()
    os.environ.setdefault("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
    home = Home.open(tmp_path_factory.mktemp("home"))
    settings = Settings(home=home.root, author="Author")
    return Promotion(home, settings, Registry.open(home, settings))


def assert_cannot_be_promoted(promotion: Promotion, workspace: Workspace, verdict: str) -> None:
    """Registered as the flow does it, neither signed for nor promoted."""
    from flows.retrain import _register

    registered = _register(workspace, promotion.home, promotion.settings, ORIGIN)
    assert registered.verdict == verdict
    review = Review(promotion.home, promotion.settings, promotion.registry)
    with pytest.raises(Refused, match=f"the guardrails say {verdict}; it can only be rejected"):
        review.sign(registered.release, name="Ada", meaning="approve", reason="hope", now=NOW)
    with pytest.raises(Refused, match=f"the guardrails say {verdict}; it cannot be promoted"):
        promotion.promote("mci", by="Ops", now=NOW)
    assert promotion.registry.champion("mci") is None


def test_a_release_from_a_good_cohort_passes_and_waits_for_signatures(
    promotion: Promotion, variant: Variant, params: Params
) -> None:
    workspace = variant()
    verdicts = judged(workspace, params)
    assert set(verdicts.values()) == {"pass", "not applicable"}
    assert verdicts["G201"] == "not applicable"  # there is no champion
    assert verdicts["all"] == "pass"

    from flows.retrain import _register

    registered = _register(workspace, promotion.home, promotion.settings, ORIGIN)
    with pytest.raises(NotSigned, match="needs 1 approval"):
        promotion.check_approval("mci")
    review = Review(promotion.home, promotion.settings, promotion.registry)
    review.sign(registered.release, name="Ada", meaning="approve", reason="I read it", now=NOW)
    assert promotion.check_approval("mci").release == registered.release


def test_a_predictor_learnt_from_shuffled_feedback_is_refused(
    promotion: Promotion, variant: Variant, params: Params
) -> None:
    workspace = variant("features", "training-feedback")
    file = workspace.features / "feedback.parquet"
    table = pl.read_parquet(file)
    shuffled = np.random.default_rng(1).permutation(table["target"].to_numpy())
    table.with_columns(target=shuffled).write_parquet(file)
    train_feedback(workspace, params)
    verdicts = judged(workspace, params)
    assert verdicts["G101"] == "fail"
    assert verdicts["all"] == "fail"
    assert_cannot_be_promoted(promotion, workspace, "fail")


def test_a_shield_that_lost_a_rule_is_refused(
    promotion: Promotion, variant: Variant, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_but_the_first(shield: safety.Shield) -> dict[str, pl.Expr]:
        _, *kept = shield.therapy.safety.rules
        return {rule.code: shield.therapy.forbid_expression(rule) for rule in kept}

    monkeypatch.setattr(safety.Shield, "_conditions", property(all_but_the_first))
    workspace = variant()
    verdicts = judged(workspace, params)
    assert verdicts["G301"] == "fail"
    assert verdicts["all"] == "fail"
    assert_cannot_be_promoted(promotion, workspace, "fail")


def test_a_log_without_propensities_is_not_enough_to_trust_a_policy(
    promotion: Promotion, variant: Variant, params: Params
) -> None:
    workspace = variant("validation")
    file = workspace.validation / "accepted" / "sessions.parquet"
    pl.read_parquet(file).with_columns(probability=pl.lit(None, pl.Float64)).write_parquet(file)
    verdicts = judged(workspace, params)
    assert {code for code, verdict in verdicts.items() if verdict == "insufficient evidence"} == {"G401", "all"}
    assert_cannot_be_promoted(promotion, workspace, "insufficient evidence")


def test_a_policy_that_prefers_what_helps_least_is_refused(
    promotion: Promotion, variant: Variant, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefer = Dpo.probabilities

    def prefer_the_opposite(policy: Dpo, decisions: Decisions) -> np.ndarray:
        best = prefer(policy, decisions)
        least = np.where(best > 0, best.max(axis=1, keepdims=True) + 1e-3 - best, 0.0) ** 4
        return least / least.sum(axis=1, keepdims=True)

    monkeypatch.setattr(Dpo, "probabilities", prefer_the_opposite)
    verdicts = judged(variant(), params)
    assert verdicts["G401"] != "pass"
    assert verdicts["all"] != "pass"


def test_an_answer_without_a_prediction_counts_as_differing(
    variant: Variant, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the model is gone")

    monkeypatch.setattr(ranking, "choose", broken)
    workspace = variant()
    verdicts = judged(workspace, params)
    assert verdicts["G601"] == "fail"
    golden = json.loads((workspace.release / "golden.json").read_text())
    assert {reason for pair in golden for reason in pair["answer"]["reasons"]} == {"PREDICTION_FAILED"}


@pytest.mark.parametrize(
    "therapy",
    [
        pytest.param("mci", marks=pytest.mark.slow),
        pytest.param("depression", marks=pytest.mark.thorough),
        pytest.param("tinnitus", marks=pytest.mark.thorough),
    ],
)
def test_no_good_cohort_of_any_therapy_fails(tmp_path: Path, params: Params, therapy: str) -> None:
    """1,200 patients may be too few to tell; they are never enough to call a good model bad."""
    seed = 301  # chosen before anything was seen of it; 302 gave no failure either
    verdicts = judged(trained(tmp_path, params, therapy, patients=1200, seed=seed), params)
    assert "fail" not in verdicts.values(), verdicts
