"""The policy is trained with a cost of drop-out where the therapy puts one, and says so where it cannot be learnt."""

from pathlib import Path
from shutil import copytree

import polars as pl
import pytest

from flows.evaluation.candidate import Candidate
from flows.evaluation.learning import leaving_lines, unlearnt_lines
from flows.params import Params, read_params
from flows.stages.featurize import featurize
from flows.stages.snapshot import snapshot
from flows.stages.train_policy import train_policy
from flows.workspace import Workspace, read_json, write_json
from models.policies import Dpo
from posology.files import whole_folder
from posology.simulators import Conditions, simulate
from posology.therapy_file import load_therapy

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def params() -> Params:
    return read_params()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, params: Params) -> Workspace:
    """A workspace with features of patients whom contents drive away; no predictor could be trained."""
    folder = tmp_path_factory.mktemp("many")
    therapy, workspace = folder / "mci.yaml", Workspace(folder / "work")
    shipped = (ROOT / "therapies" / "mci.yaml").read_text()
    therapy.write_text(shipped.replace("objective:", "dropout: 10\nobjective:"))
    conditions = Conditions(deterring=1.0)
    tables = simulate(load_therapy(str(therapy)), patients=300, seed=3, conditions=conditions).tables
    tables.write(folder / "data")
    snapshot(workspace, str(therapy), folder / "data")
    with whole_folder(workspace.validation) as partial:
        tables.write(partial / "accepted")
    featurize(workspace, params)
    for target in ("feedback", "status"):
        with whole_folder(workspace.training(target)) as partial:
            write_json(partial / "choice.json", {"chosen": None, "reason": "too few"})
    return workspace


def policy_of(workspace: Workspace, params: Params) -> Dpo:
    train_policy(workspace, params)
    policy = Candidate.of(workspace, params).policy
    assert isinstance(policy, Dpo)
    return policy


def test_who_leaves_is_learnt_the_same_every_time_and_the_dossier_says_after_what(
    many: Workspace, params: Params
) -> None:
    leaving = policy_of(many, params).leaving
    assert leaving is not None
    assert 0.003 < leaving.chance(leaving.centre[None, None]).mean() < 0.03
    assert read_json(many.policy / "training.json")["leaving"] == {"learnt": True, "reason": None}
    assert "Drop-out costs 10 in F" in " ".join(leaving_lines(Candidate.of(many, params)))
    once = (many.policy / "policy.json").read_bytes()
    train_policy(many, params)
    assert (many.policy / "policy.json").read_bytes() == once


def test_with_too_few_who_left_drop_out_costs_nothing_and_the_dossier_says_why(
    many: Workspace, params: Params, tmp_path: Path
) -> None:
    few = Workspace(copytree(many.root, tmp_path / "few"))
    table = pl.read_parquet(few.features / "status.parquet")
    table.filter(pl.col("user_id") < "mci-000060").write_parquet(few.features / "status.parquet")
    assert policy_of(few, params).leaving is None
    said = " ".join(unlearnt_lines(Candidate.of(few, params)))
    assert "Drop-out costs nothing, though the therapy puts a cost on it: expected 30 or more patients who left" in said


def test_where_drop_out_costs_nothing_nothing_is_learnt_of_it(many: Workspace, params: Params, tmp_path: Path) -> None:
    free = Workspace(copytree(many.root, tmp_path / "free"))
    therapy = free.snapshot / "therapy.yaml"
    therapy.write_text(therapy.read_text().replace("dropout: 10\n", ""))
    assert policy_of(free, params).leaving is None
    assert set(read_json(free.policy / "training.json")) == {"effects", "reason"}
    assert "Drop-out" not in " ".join(unlearnt_lines(Candidate.of(free, params)))
