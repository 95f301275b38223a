"""What the guardrails look at: collected by the evaluate stage, checked here, judged elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from posology.offpolicy.log import LoggedDecisions
from posology.surrogate import SurrogateEvidence

Target = Literal["feedback", "status"]
Split = Literal["fit", "calibrate", "judge"]
TARGETS: tuple[Target, ...] = get_args(Target)
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class PredictionEvidence:
    """One target's predictions for patients seen in neither fitting, tuning nor calibrating.

    Attributes:
        target: what is predicted.
        patient: whose row it is; any integer codes.
        truth: what came: F in [0, 1], or Mf in points of the instrument.
        predicted: the candidate's prediction, before the truth was known.
        low: lower end of its interval.
        high: upper end of its interval.
        baselines: name → what it predicts for the same rows.
        champion: what the champion predicts for the same rows; None when there
            is no champion or it does not predict this target.
        nominal_coverage: the share of truths the interval promises to hold.
    """

    target: Target
    patient: np.ndarray  # (n,) int
    truth: np.ndarray  # (n,)
    predicted: np.ndarray  # (n,)
    low: np.ndarray  # (n,)
    high: np.ndarray  # (n,)
    baselines: Mapping[str, np.ndarray]  # each (n,)
    champion: np.ndarray | None  # (n,)
    nominal_coverage: float = 0.9

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise ValueError(f"target: expected one of {', '.join(TARGETS)}, got {self.target!r}")
        if not self.baselines:
            raise ValueError(f"{self.target}: expected one baseline or more, got none")
        if not 0 < self.nominal_coverage < 1:
            raise ValueError(f"{self.target}: nominal_coverage is {self.nominal_coverage}, expected between 0 and 1")
        for name, values in self._columns().items():
            if np.shape(values) != (len(self.patient),):
                raise ValueError(f"{self.target}: {name} has shape {np.shape(values)}, expected ({len(self.patient)},)")
            if not np.isfinite(values).all():
                raise ValueError(f"{self.target}: {name} holds values that are not finite")
        if (self.low > self.high).any():
            raise ValueError(f"{self.target}: an interval's low end is above its high end")

    @property
    def patients(self) -> int:
        """How many patients the rows are of."""
        return len(np.unique(self.patient))

    def _columns(self) -> dict[str, np.ndarray]:
        own = {name: getattr(self, name) for name in ("truth", "predicted", "low", "high")}
        champion = {} if self.champion is None else {"champion": self.champion}
        return {"patient": self.patient, **own, **champion, **{f"baseline {k}": v for k, v in self.baselines.items()}}


@dataclass(frozen=True)
class Amount:
    """How much data a split holds."""

    patients: int
    sessions: int


@dataclass(frozen=True)
class TableRows:
    """A table's rows, and how many of them went to quarantine."""

    total: int
    quarantined: int

    def __post_init__(self) -> None:
        if not 0 <= self.quarantined <= self.total:
            raise ValueError(f"{self.quarantined} rows quarantined of {self.total}")


@dataclass(frozen=True)
class DataEvidence:
    """What the data were.

    Attributes:
        amounts: target → split → patients and sessions that carry the target;
            every declared target and every split is there, with zeros if need be.
        tables: table → rows, total and quarantined.
        failed_table_rules: codes of rules about whole tables that did not hold.
    """

    amounts: Mapping[Target, Mapping[Split, Amount]]
    tables: Mapping[str, TableRows]
    failed_table_rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class StressEvidence:
    """What the candidate did in situations made to provoke unsafe choices.

    Attributes:
        decisions: how many situations were decided.
        unsafe: in how many of them a blocked content had probability above zero.
        examples: some of the codes that should have blocked.
    """

    decisions: int
    unsafe: int
    examples: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.unsafe <= self.decisions:
            raise ValueError(f"{self.unsafe} unsafe decisions of {self.decisions}")


@dataclass(frozen=True)
class GoldenEvidence:
    """How many golden requests were answered, and how many answers differ from the golden ones."""

    requests: int
    differing: int

    def __post_init__(self) -> None:
        if not 0 <= self.differing <= self.requests:
            raise ValueError(f"{self.differing} answers differ of {self.requests}")


@dataclass(frozen=True)
class Evidence:
    """All that is known about a candidate release. What is None could not be collected.

    Attributes:
        declared: the targets the therapy declares; one that it does not declare
            is not applicable, one that it declares and is None here is
            insufficient evidence.
        data: what the data were.
        feedback: predictions of F.
        status: predictions of Mf.
        stress: the candidate's choices on the stress set.
        logged: logged decisions of held-out patients, the candidate's policy as target.
        golden: the bundle's answers to golden requests.
        surrogate: what tells whether F stands in for Mf.
        no_surrogate: why there is none.
        objective: the therapy's; None counts as one that relies on F alone.
        seed: of every resampling; the same evidence gives the same findings.
    """

    declared: frozenset[Target]
    data: DataEvidence | None = None
    feedback: PredictionEvidence | None = None
    status: PredictionEvidence | None = None
    stress: StressEvidence | None = None
    logged: LoggedDecisions | None = None
    golden: GoldenEvidence | None = None
    surrogate: SurrogateEvidence | None = None
    no_surrogate: str = ""
    objective: Literal["feedback", "status", "constrained"] | None = None
    seed: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        for target in TARGETS:
            found = self.prediction(target)
            if found is not None and (found.target != target or target not in self.declared):
                raise ValueError(f"{target}: evidence of {found.target}, while the therapy declares {self._names()}")
        if not self.declared or self.declared - set(TARGETS):
            raise ValueError(f"declared: expected one or both of {', '.join(TARGETS)}, got {self._names()}")

    def prediction(self, target: Target) -> PredictionEvidence | None:
        """The predictions of one target."""
        return self.feedback if target == "feedback" else self.status

    def rng(self, code: str) -> np.random.Generator:
        """A guardrail's own random numbers, whatever the other guardrails drew."""
        return np.random.default_rng([self.seed, *code.encode()])

    def _names(self) -> str:
        return ", ".join(sorted(self.declared)) or "none"
