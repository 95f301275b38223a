"""The therapies that can be simulated."""

from posology.errors import TherapyError
from posology.simulators import depression, mci, tinnitus
from posology.simulators.mechanism import Mechanism
from posology.therapy import Therapy

MECHANISMS: dict[str, Mechanism] = {
    "mci": mci.MECHANISM,
    "depression": depression.MECHANISM,
    "tinnitus": tinnitus.MECHANISM,
}


def mechanism_of(therapy: Therapy) -> Mechanism:
    """How this therapy's patients work.

    Raises:
        TherapyError: nobody has written down its mechanism.
    """
    if therapy.name not in MECHANISMS:
        raise TherapyError(
            f"no mechanism for therapy {therapy.name}: expected one of {', '.join(MECHANISMS)}; "
            "to simulate another, write its Mechanism and list it in posology/simulators/mechanisms.py"
        )
    return MECHANISMS[therapy.name]
