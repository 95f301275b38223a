"""What a dossier says, as values. Nothing in them names a patient."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Self

from posology.guardrails.finding import Finding, Verdict, overall
from posology.therapy import Safety, Therapy

if TYPE_CHECKING:
    from posology.dossier.effects import EffectTable, StandInRow


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval; low and high are None where there is no interval."""

    mean: float
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval needs both ends, or neither")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"an interval's low end {self.low:g} is above its high end {self.high:g}")


@dataclass(frozen=True)
class Figure:
    """A plot with the words it needs.

    Attributes:
        reading: the caption: what is shown and how to read it.
        alternative: what a reader who cannot see the plot is told.
    """

    title: str
    svg: str
    reading: str
    alternative: str


@dataclass(frozen=True)
class SafetyLine:
    """One limit on what may be given: a rule or a cap, and why."""

    code: str
    says: str
    because: str = ""


@dataclass(frozen=True)
class TherapyFacts:
    """What the reviewer must know of the therapy to read the rest."""

    name: str
    title: str
    version: int
    objective: str
    instrument: str | None = None
    better: str | None = None
    smallest_important_change: float | None = None
    noninferiority_margin: float | None = None
    safe_default: str | None = None
    safety: tuple[SafetyLine, ...] = ()

    @classmethod
    def of(cls, therapy: Therapy) -> Self:
        """The facts of a therapy file."""
        status = therapy.status
        return cls(
            name=therapy.name,
            title=therapy.title,
            version=therapy.version,
            objective=therapy.objective,
            instrument=status.instrument if status else None,
            better=status.better if status else None,
            smallest_important_change=status.smallest_important_change if status else None,
            noninferiority_margin=therapy.noninferiority_margin,
            safe_default=therapy.safety.safe_default,
            safety=tuple(_safety_lines(therapy.safety)),
        )


def _safety_lines(safety: Safety) -> Iterator[SafetyLine]:
    for rule in safety.rules:
        yield SafetyLine(rule.code, f"not given where {rule.forbid}", rule.because)
    caps = safety.caps
    if caps.same_content_in_a_row is not None:
        yield SafetyLine("cap", f"the same content at most {caps.same_content_in_a_row} times in a row")
    if caps.minutes_per_day is not None:
        yield SafetyLine("cap", f"at most {caps.minutes_per_day:g} minutes in 24 hours")
    if caps.feature_share_of_last_10 is not None:
        yield SafetyLine("cap", f"at most {caps.feature_share_of_last_10:.0%} of the last ten of one {caps.feature}")


@dataclass(frozen=True)
class SkillRow:
    """How well one predictor or baseline predicts patients it has not seen.

    ``skill`` is R² or 1 − loss / loss of the reference; the table says which.
    """

    name: str
    loss: Estimate
    skill: Estimate | None = None
    is_candidate: bool = False


@dataclass(frozen=True)
class SkillTable:
    """A predictor beside its baselines.

    Attributes:
        predicted: what is predicted, for example "feedback" or "final MMSE".
        loss_name: for example "mean absolute error (points)".
        skill_name: for example "R²".
        note: on what it was measured.
    """

    predicted: str
    rows: tuple[SkillRow, ...]
    loss_name: str
    skill_name: str = "skill"
    note: str = ""


@dataclass(frozen=True)
class GroupRow:
    """How well one protected group is predicted; without numbers where the group is too small for an interval.

    Attributes:
        bias: mean of predicted minus what came; above zero promises too much.
        coverage: share of truths inside the predicted interval.
    """

    predicted: str
    group: str
    patients: int
    loss: Estimate | None = None
    bias: Estimate | None = None
    coverage: Estimate | None = None


@dataclass(frozen=True)
class PatientsRow:
    """One column of U in short: of those learned from, and of those judged on."""

    column: str
    learned_from: str
    judged_on: str


@dataclass(frozen=True)
class ValueRow:
    """What one policy is worth, by one estimator.

    Attributes:
        effective_sample_size: decisions the estimate rests on, after weighting.
        truth: the simulator's value, where it is known.
    """

    policy: str
    estimator: str
    estimate: Estimate
    effective_sample_size: float | None = None
    truth: float | None = None
    is_candidate: bool = False


@dataclass(frozen=True)
class DataFacts:
    """How much data, and what was set aside, by reason."""

    patients: int
    sessions: int
    measurements: int
    contents: int
    quarantined: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Dossier:
    """Everything the page says.

    Attributes:
        digests: part of the release → SHA-256; what a signature covers.
        value_unit: what policy values are in, for example "feedback per session (0 to 1)".
        logged_value: mean of the logged outcome, the line the policies are compared with.
        effects: of contents on F and on Mf.
        stand_in: whether F stands in for Mf.
        content_mix: content_id → policy → share of decisions.
        split: how patients and time were parted into fitting and judging.
        learnt: how the predictors were tuned, or what they began with; none where they were only fitted.
        limitations: what the release goes without and what was not done.
        software: library → version.
        commands: what to type to get the same bytes again.

    Raises:
        ValueError: the verdict is not that of the findings.
    """

    title: str
    therapy: TherapyFacts
    release: str
    digests: Mapping[str, str]
    data_version: str
    as_of: datetime | None
    git_commit: str
    author: str
    verdict: Verdict
    findings: Sequence[Finding]
    data: DataFacts
    split: str
    patients: tuple[PatientsRow, ...] = ()
    skills: tuple[SkillTable, ...] = ()
    groups: tuple[GroupRow, ...] = ()
    policies: tuple[ValueRow, ...] = ()
    value_unit: str = ""
    logged_value: float | None = None
    content_mix: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    effects: "tuple[EffectTable, ...]" = ()
    stand_in: "tuple[StandInRow, ...]" = ()
    figures: tuple[Figure, ...] = ()
    learnt: tuple[str, ...] = ()
    limitations: tuple[str, ...] = ()
    software: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        found = overall(self.findings)
        if self.verdict is not found:
            raise ValueError(f"the verdict of these findings is {found}, not {self.verdict}")
