"""The files a reviewer reads, held against what the registry says they are."""

import json
from pathlib import Path

from flows.release_version import ReleaseVersion
from posology.digests import digest_of_file
from posology.errors import NotFound, Refused
from posology.guardrails.finding import Finding, overall

DOSSIER = "dossier.html"
GUARDRAILS = "guardrails.json"


def read_findings(folder: Path) -> tuple[Finding, ...]:
    """What the guardrails found about the release in a folder."""
    file = folder / GUARDRAILS
    if not file.is_file():
        raise NotFound(f"{file} is missing: a release without guardrails cannot be reviewed; retrain.")
    return tuple(map(Finding.from_json, json.loads(file.read_text(encoding="utf-8"))["guardrails"]))


def check_evidence(version: ReleaseVersion, folder: Path) -> None:
    """Raise ``Refused`` unless release, dossier and verdict are what was registered."""
    from models.release import Release

    dossier = folder / DOSSIER
    found = {
        "release_digest": Release.load(folder).digest,
        "dossier_digest": digest_of_file(dossier) if dossier.is_file() else "missing",
        "verdict": overall(read_findings(folder)).value,
    }
    changed = [name for name, value in found.items() if version.tags[name] != value]
    if changed:
        raise Refused(
            f"{version.release}: {', '.join(changed)} in {folder} differ from the registry's tags. "
            "Somebody changed files or tags after registration; restore them or retrain."
        )
