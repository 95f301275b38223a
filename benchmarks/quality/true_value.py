"""What a policy is truly worth: mean F when it treats patients it has never met, in a simulator that knows."""

from models.policies import Policy
from models.treating import Treating
from posology.simulators import Policy as Treats
from posology.simulators import simulate
from posology.therapy import Therapy


def true_value(policy: Policy | Treats, therapy: Therapy, *, patients: int, seed: int) -> float:
    """Mean true F over all decisions of a fresh world's patients, treated by the policy from the first day.

    What it makes of them, and who leaves because of it, is in it.

    Args:
        policy: as a log's decisions or as a simulator's moments are put to it.
        therapy: whose mechanism.
        patients: in the world.
        seed: of the world; the same for policies that are compared.
    """
    treats = policy if hasattr(policy, "learns") else Treating(policy)
    truth = simulate(therapy, patients=patients, seed=seed, policy=treats).truth
    return float(truth.decisions["given_feedback"].to_numpy().mean())
