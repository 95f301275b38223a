"""The candidate release of a run: its predictors and the rows it is judged on."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from flows.params import Params
from flows.workspace import Workspace, read_json
from models.features import Features
from models.learnt import Learnt
from models.policies.dpo import Dpo
from models.policies.kinds import load_policy
from models.policies.policy import Kept
from models.predictors.predictor import Predictor
from models.predictors.rows import Rows
from models.release import Release, save_release
from models.split import Part
from models.targets import Target, targets_of
from posology.tables import Tables
from posology.therapy import Therapy


@dataclass(frozen=True)
class Candidate:
    """What the evaluate stage judges."""

    workspace: Workspace
    params: Params
    therapy: Therapy

    @classmethod
    def of(cls, workspace: Workspace, params: Params) -> "Candidate":
        """The candidate that the training stages left."""
        return cls(workspace, params, workspace.therapy())

    @cached_property
    def tables(self) -> Tables:
        """The tables that validation let through."""
        return self.workspace.accepted(self.therapy)

    @cached_property
    def contents(self) -> pl.DataFrame:
        """The contents that validation let through; read alone, because sessions are many."""
        return pl.read_parquet(self.workspace.validation / "accepted" / "contents.parquet")

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """The targets the therapy declares."""
        return targets_of(self.therapy)

    @cached_property
    def chosen(self) -> Mapping[Target, str | None]:
        """Target → the kind of predictor taken; None where none could be trained."""
        return {target: self.decision(target)["chosen"] for target in self.targets}

    def decision(self, target: Target) -> dict[str, Any]:
        """What training decided, and by what: ``choice.json``."""
        found: dict[str, Any] = read_json(self.workspace.training(target) / "choice.json")
        return found

    def why_not(self, target: Target) -> str:
        """Why no predictor of the target could be trained."""
        return str(self.decision(target).get("reason", ""))

    def predictor(self, target: Target, kind: str) -> Predictor:
        """One of the predictors that were fitted."""
        return Predictor.load(self.workspace.training(target) / kind)

    @cached_property
    def predictors(self) -> Mapping[Target, Predictor]:
        """The predictors of the release."""
        return {target: self.predictor(target, kind) for target, kind in self.chosen.items() if kind}

    def feature_table(self, target: Target) -> pl.DataFrame:
        """The feature rows of a target, all parts."""
        return self._feature_tables[target]

    def rows(self, target: Target, part: Part) -> Rows:
        """The rows of a target in one part."""
        return Rows.of(self.feature_table(target), part)

    @cached_property
    def learnt(self) -> Learnt:
        """What of the features was learnt."""
        return Learnt.load(self.workspace.features)

    @property
    def features(self) -> Features:
        """What made the feature tables."""
        return self.learnt.features(self.therapy, self.contents)

    @cached_property
    def release(self) -> Release:
        """The release these predictors make, saved beside the evaluation."""
        return save_release(
            self.workspace.candidate,
            therapy=self.therapy,
            contents=self.contents,
            predictors=self.predictors,
            envelope=self.params.envelope,
            learnt=self.learnt,
            policy=self.policy,
        )

    @cached_property
    def policy(self) -> Kept:
        """The policy of the release."""
        return load_policy(self.workspace.policy / "policy.json", self.therapy, self.predictors)

    @property
    def can_choose(self) -> bool:
        """Whether all is there that the objective needs."""
        needs = {"feedback": {"feedback"}, "status": {"status"}, "constrained": {"feedback", "status"}}
        if self.therapy.objective == "status" and isinstance(self.policy, Dpo) and self.policy.effects is None:
            return False
        return needs[self.therapy.objective] <= set(self.predictors)

    @cached_property
    def _feature_tables(self) -> Mapping[Target, pl.DataFrame]:
        return {
            target: pl.read_parquet(self.workspace.features / f"{target}.parquet").drop_nulls("target")  # lost patients
            for target in self.targets
        }
