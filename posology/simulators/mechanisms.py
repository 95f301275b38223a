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
        TherapyError: nobody has written down its mechanism, or the therapy lacks what the mechanism works on.
    """
    if therapy.name not in MECHANISMS:
        raise TherapyError(
            f"no mechanism for therapy {therapy.name}: expected one of {', '.join(MECHANISMS)}; "
            "to simulate another, write its Mechanism and list it in posology/simulators/mechanisms.py"
        )
    mechanism = MECHANISMS[therapy.name]
    lacking = [name for name in (mechanism.feature, "level", "minutes") if name not in therapy.content]
    if lacking:
        raise TherapyError(f"therapy {therapy.name}: a simulation needs the content columns {', '.join(lacking)}")
    unknown = sorted(set(therapy.content[mechanism.feature].values or ()) - set(mechanism.trains))
    if unknown:
        raise TherapyError(
            f"therapy {therapy.name}: its mechanism does not know what {', '.join(unknown)} trains; "
            f"expected {mechanism.feature} to be one of {', '.join(mechanism.trains)}"
        )
    return mechanism
