"""How a release is used: what its reviewers sign for, beside the release itself."""

from itertools import pairwise
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from posology.digests import canonical_json
from posology.errors import CannotDo

Mode = Literal["full", "apprentice", "shadow", "canary"]


class _Signed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Step(_Signed):
    """A canary's share of the patients, and what must have passed before the next step.

    Attributes:
        share: of the patients who are not in the comparison arm.
        days: that the step lasts at least.
        decisions: that the release made in this step at least.
    """

    share: float = Field(gt=0, le=1)
    days: float = Field(default=7, gt=0)
    decisions: int = Field(default=100, ge=1)


class Guards(_Signed):
    """When a canary is stopped. A stop costs little, so shares are taken as they are, without a test.

    Attributes:
        least_decisions: of the canary before its shares are looked at.
        safe_default_share: of its decisions at most, those of patients never measured left out.
        error_share: of its decisions at most, in which something broke or took too long.
        worse_by: stopped once its mean F is below that of the other patients by more than this, beyond chance.
        least_feedback: the lower bound of its mean F must not fall below; None: not looked at.
    """

    least_decisions: int = Field(default=50, ge=1)
    safe_default_share: float = Field(default=0.2, ge=0, le=1)
    error_share: float = Field(default=0.01, ge=0, le=1)
    worse_by: float = Field(default=0.0, ge=0, lt=1)
    least_feedback: float | None = Field(default=None, ge=0, le=1)


class Plan(_Signed):
    """How a release is used.

    ``full``: its policy decides, for all but the comparison arm. ``apprentice``:
    the standard schedule decides for everybody, and what the policy would have
    done is logged. ``shadow``: the champion decides, and what this release would
    have done is logged. ``canary``: this release decides for a share of the
    champion's patients, which widens by steps.

    Attributes:
        comparison_share: of the patients who stay on the standard schedule (mode full).
        salt: another one draws other patients for the comparison arm.
        steps: of a canary, ever wider.
        guards: of a canary.
    """

    mode: Mode = "full"
    comparison_share: float = Field(default=0.0, ge=0, lt=1)
    salt: str = Field(default="", max_length=100)
    steps: tuple[Step, ...] = ()
    guards: Guards = Guards()

    @model_validator(mode="after")
    def _parts_fit_the_mode(self) -> Self:
        if self.mode != "full" and (self.comparison_share or self.salt):
            raise ValueError("comparison_share and salt belong to mode full")
        if (self.mode == "canary") != bool(self.steps):
            raise ValueError("steps belong to mode canary, and a canary needs them, such as [{share: 0.05}]")
        if self.mode != "canary" and self.guards != Guards():
            raise ValueError("guards belong to mode canary")
        if any(one.share >= other.share for one, other in pairwise(self.steps)):
            raise ValueError("each step must be wider than the one before")
        return self

    @property
    def runs_beside(self) -> bool:
        """Whether the champion stays champion."""
        return self.mode in {"shadow", "canary"}

    @property
    def text(self) -> str:
        """The canonical JSON that is signed."""
        return canonical_json(self.model_dump(mode="json"))

    def __str__(self) -> str:
        if self.mode == "canary":
            return "canary " + " → ".join(f"{step.share:.0%}" for step in self.steps)
        return f"full, {self.comparison_share:.0%} on the schedule" if self.comparison_share else self.mode


FULL = Plan()  # what is signed for when nothing else is said


def read_plan(values: object) -> Plan:
    """The plan that plain values describe.

    Raises:
        CannotDo: a key is unknown or a value wrong.
    """
    try:
        return Plan.model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'plan'}: {one['msg']}" for one in error.errors())
        raise CannotDo(f"the plan is wrong: {wrong}. Expected such as: mode: shadow") from None
