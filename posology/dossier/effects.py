"""What contents do, as the dossier's tables say it."""

from dataclasses import dataclass

from posology.dossier.evidence import Estimate


@dataclass(frozen=True)
class EffectRow:
    """The effect of one arm against the reference.

    Attributes:
        effect: doubly robust, with an interval that holds for all arms at once.
        predicted: what the plain predictor says.
        naive: the difference of means as logged.
    """

    arm: str
    effect: Estimate
    predicted: float
    naive: float
    patients: int
    decisions: int


@dataclass(frozen=True)
class EffectTable:
    """Effects on one outcome.

    Attributes:
        outcome: for example "feedback F (0 to 1)".
        reference: what every arm is compared with.
        note: what it would take to turn the order, and what it rests on.
    """

    outcome: str
    reference: str
    rows: tuple[EffectRow, ...]
    note: str = ""


@dataclass(frozen=True)
class StandInRow:
    """One answer to whether F stands in for Mf, and what it means."""

    name: str
    answer: Estimate | None
    meaning: str
