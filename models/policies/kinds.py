"""The kinds of policy a release can carry; a new one is a file and a name here."""

import json
from pathlib import Path

from models.policies.dpo import Dpo
from models.policies.fixed_schedule import FixedSchedule
from models.policies.last_best import LastBest
from models.policies.most_popular import MostPopular
from models.policies.policy import Kept, Predictors
from models.policies.random import Random
from posology.errors import CannotDo
from posology.files import write_whole
from posology.therapy import Therapy

KINDS: dict[str, type[Kept]] = {kind.kind: kind for kind in (Dpo, Random, FixedSchedule, LastBest, MostPopular)}


def save_policy(path: Path, policy: Kept) -> None:
    """One JSON file: its kind and its parameters."""
    write_whole(path, json.dumps({"kind": policy.kind, "parameters": policy.parameters}, indent=1, sort_keys=True))


def load_policy(path: Path, therapy: Therapy, predictors: Predictors) -> Kept:
    """Read what ``save_policy`` wrote.

    Raises:
        CannotDo: a kind that is not known here.
    """
    about = json.loads(path.read_text(encoding="utf-8"))
    if about["kind"] not in KINDS:
        raise CannotDo(f"{path}: policy of kind {about['kind']!r}; expected one of {', '.join(KINDS)}")
    return KINDS[about["kind"]].of(about["parameters"], therapy, predictors)
