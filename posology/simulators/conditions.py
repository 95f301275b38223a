"""What can be wrong with a log or a population, each with a strength."""

from dataclasses import dataclass, fields

from posology.errors import CannotDo


@dataclass(frozen=True)
class Conditions:
    """Switches of the mechanistic simulator: 0 is off, 1 is as bad as it gets.

    Attributes:
        confounding: of the log by a patient's form, a coin thrown every day that
            the clinic sees and no table holds. On a good day everything is
            answered better, by 1 in appeal, and whoever chooses leans to
            demanding contents, by odds of e² to 1 against the easiest. The
            probability of the sessions table is then the chance given what is
            recorded, so off-policy estimates that use it are off; the truth
            keeps the chance given the form too.
        misleading: F about Mf. The most charming content gains 3 in appeal and
            trains nothing, the least charming loses 3 and trains twice as much;
            the others lie between.
        drift: over calendar time. In a year every other kind of content gains 2
            in appeal, the rest lose 2, and those who enrol start 1.5 units of
            capacity lower.
        sites: differences between them. The second starts one unit of capacity
            lower and answers 0.6 in appeal below the first, the third the other
            way round.
        transfer: to another population; see ``population.moved``.
        dropout: that tells of recovery. How likely a patient leaves hangs twice
            as much on how little the contents brought, in the logarithm.
        deterring: F about staying. Until the next content a patient is 4.5 times as
            likely to leave after the most charming content, as many times less after
            the least charming; the others lie between, a rest in the middle.

    Raises:
        CannotDo: a strength is not from 0 to 1.
    """

    confounding: float = 0.0
    misleading: float = 0.0
    drift: float = 0.0
    sites: float = 0.0
    transfer: float = 0.0
    dropout: float = 0.0
    deterring: float = 0.0

    def __post_init__(self) -> None:
        for each in fields(self):
            strength = getattr(self, each.name)
            if not 0 <= strength <= 1:
                raise CannotDo(
                    f"{each.name} is {strength:g}; expected a strength from 0 (off) to 1 (as bad as it gets)"
                )


NOTHING_WRONG = Conditions()
