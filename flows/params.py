"""The numbers of ``params.yaml``: what DVC watches and a reviewer signs for."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from models.targets import TARGETS, Target
from models.tuning.budget import Budget
from posology.errors import SettingsError
from posology.guardrails import guardrails_from

SHIPPED = Path(__file__).resolve().parent.parent / "params.yaml"


class _Checked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Simulation(_Checked):
    """The cohort that ``dvc repro`` starts from when there are no data yet."""

    patients: int = Field(ge=1)
    seed: int


class Split(_Checked):
    """``past_share``: share of the rows, in order of time known, that may be learnt from."""

    past_share: float = Field(gt=0, lt=1)


class Training(_Checked):
    """How one target is learnt."""

    kinds: tuple[Literal["catboost", "ridge"], ...] = Field(min_length=1)
    least_patients: int = Field(ge=2)
    coverage: float = Field(gt=0, lt=1)
    iterations: int = Field(ge=1)
    depth: int = Field(ge=1, le=16)
    learning_rate: float = Field(gt=0)
    l2_leaf_reg: float = Field(ge=0)
    seed: int
    threads: int = Field(ge=1)


class Transfer(_Checked):
    """``source``: folder of the release to begin with; None begins from scratch."""

    source: str | None = None


class Evaluation(_Checked):
    """Sizes and seed of the evaluation."""

    seed: int
    stress_decisions: int = Field(ge=1)
    golden_requests: int = Field(ge=1)
    logged_decisions: int = Field(ge=1)


class Params(_Checked):
    """All of ``params.yaml``. The guardrails know which thresholds they need."""

    therapy: str
    data: str
    simulation: Simulation
    split: Split
    training: dict[Target, Training]
    tuning: Budget
    transfer: Transfer
    evaluation: Evaluation
    guardrails: dict[str, dict[str, float | int]]

    @field_validator("training")
    @classmethod
    def _every_target(cls, training: dict[Target, Training]) -> dict[Target, Training]:
        if missing := [target for target in TARGETS if target not in training]:
            raise ValueError(f"expected {' and '.join(TARGETS)}, missing {', '.join(missing)}")
        return training

    @model_validator(mode="after")
    def _defaults_lie_in_the_search(self) -> Self:
        for target, training in self.training.items():
            options = training.model_dump()
            for kind in training.kinds:
                for name, searched in self.tuning.search.get(kind, {}).items():
                    if name in options and options[name] not in searched:
                        raise ValueError(
                            f"tuning.search.{kind}.{name}: expected a range that holds {options[name]:g}, "
                            f"which training.{target} begins with, got {searched.low:g} to {searched.high:g}"
                        )
        return self

    @property
    def source(self) -> Path | None:
        """Folder of the release to begin with; a relative one is in the checkout."""
        return SHIPPED.parent / self.transfer.source if self.transfer.source else None

    def with_trials(self, trials: int | None) -> "Params":
        """The same with another number of tuning trials; as they are when None."""
        return self if trials is None else self.model_copy(update={"tuning": replace(self.tuning, trials=trials)})

    @property
    def envelope(self) -> Mapping[str, Any]:
        """The bounds a retrained release must keep to be put before a reviewer (FDA 2024, predetermined
        change control plan): how it is learnt, within which ranges it is tuned, how it is split and judged."""
        return self.model_dump(mode="json", include={"split", "training", "tuning", "evaluation", "guardrails"})


def read_params(path: Path = SHIPPED) -> Params:
    """The parameters of a file.

    Raises:
        SettingsError: unreadable, or a key is unknown, missing or out of range.
    """
    try:
        params = Params.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: expected a YAML file that can be read: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(str(step) for step in item['loc'])}: {item['msg']}" for item in error.errors())
        raise SettingsError(f"{path}: {wrong}") from error
    guardrails_from(params.guardrails)
    return params
