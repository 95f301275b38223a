"""Release: the candidate with its evidence, as one folder that can be signed, promoted and served."""

import shutil

from flows.workspace import Workspace
from posology.files import whole_folder

EVIDENCE = ("guardrails.json", "golden.json", "dossier.html", "metrics.json")


def release(workspace: Workspace) -> None:
    """Write the release folder: what is served, and beside it what was found of it."""
    with whole_folder(workspace.release) as partial:
        shutil.copytree(workspace.candidate, partial, dirs_exist_ok=True)
        for name in EVIDENCE:
            shutil.copyfile(workspace.evaluation / name, partial / name)
