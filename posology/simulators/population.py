"""A second population: what was learnt from the first is put to the test on it."""

import dataclasses

from posology.simulators.mechanism import Answer, Mechanism


def moved(mechanism: Mechanism, transfer: float) -> Mechanism:
    """The mechanism of a population on the way, by a share ``transfer``, to the second one.

    The second population is sicker (a unit of capacity), sleeps 0.7 h less,
    learns at 0.6 of the rate, is bored 1.6 times as fast, wants contents a
    level and a half easier and answers less often.
    """

    def toward(there: float) -> float:
        """A factor: 1 in the first population, ``there`` in the second."""
        return 1 + transfer * (there - 1)

    return dataclasses.replace(
        mechanism,
        capacity_mean=mechanism.capacity_mean - transfer,
        sleep_mean=mechanism.sleep_mean - 0.7 * transfer,
        learning_rate=mechanism.learning_rate * toward(0.6),
        boredom_gain=mechanism.boredom_gain * toward(1.6),
        challenge=mechanism.challenge - 1.5 * transfer,
        silence=Answer(mechanism.silence.offset + 0.6 * transfer, mechanism.silence.slope),
    )
