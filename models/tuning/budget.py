"""What a search may spend and where it may look: declared before it begins."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution


TUNABLE: Mapping[str, Mapping[str, tuple[float, float]]] = {  # kind → option → least and most it can be
    "catboost": {
        "depth": (1, 16),
        "iterations": (1, 100_000),
        "learning_rate": (1e-6, 1),
        "l2_leaf_reg": (0, 1e9),
        "subsample": (1e-3, 1),
        "rsm": (1e-3, 1),
    }
}


@dataclass(frozen=True)
class Range:
    """Where one option may lie, both ends included; whole numbers when both ends are.

    Attributes:
        log: search evenly in the logarithm.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}
    low: int | float
    high: int | float
    log: bool = False

    def __post_init__(self) -> None:
        if self.low > self.high or (self.log and self.low <= 0):
            raise ValueError(
                f"expected low at most high{', and above zero for log' if self.log else ''}, "
                f"got {self.low:g} to {self.high:g}"
            )

    def __contains__(self, value: float) -> bool:
        return bool(self.low <= value <= self.high)

    @property
    def distribution(self) -> "BaseDistribution":
        """The same for Optuna."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if isinstance(self.low, int) and isinstance(self.high, int):
            return IntDistribution(self.low, self.high, log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Budget:
    """What tuning one predictor may cost.

    Attributes:
        trials: how many option sets are tried for each kind; zero leaves the options as they are.
        seconds: of wall clock for each kind, after which no trial begins. Which trials were
            made then depends on the machine, so the run says that it was cut.
        patients: at most so many, drawn by seed, take part in a search or a negative-transfer test.
        folds: of whole patients, in which a trial is scored.
        search: kind → option → range.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}
    trials: int
    seconds: float
    patients: int
    folds: int
    search: Mapping[str, Mapping[str, Range]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        least = {"trials": 0, "seconds": 0, "patients": 2, "folds": 2}
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise ValueError(f"expected {name} of at least {smallest}, got {getattr(self, name):g}")
        for kind, space in self.search.items():
            for option, searched in space.items():
                _check(kind, option, searched)


def _check(kind: str, option: str, searched: Range) -> None:
    tunable = TUNABLE.get(kind, {})
    if option not in tunable:
        known = ", ".join(tunable) or f"nothing of {kind}"
        raise ValueError(f"search.{kind}: unknown {option}; what can be searched is {known}")
    least, most = tunable[option]
    if searched.low < least or searched.high > most:
        raise ValueError(
            f"search.{kind}.{option}: expected a range within {least:g} to {most:g}, "
            f"got {searched.low:g} to {searched.high:g}"
        )
