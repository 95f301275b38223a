"""Whether what uv.lock pins has known vulnerabilities: `uv audit` asks the OSV database, audit.toml names exceptions.

    python .ci/audit.py

Exit status 0: none, or the database cannot be reached, which is said; 1: there are; 2: it could not be asked.
"""

import argparse
import json
import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ONCE = {"UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "30"}  # without a network say so at once
UNREACHABLE = ("error sending request", "Request failed")
NO_SUCH_COMMAND = "unrecognized subcommand"


@dataclass(frozen=True)
class Ignored:
    """A vulnerability that does not concern us, until a day."""

    id: str
    reason: str
    until: date

    def __post_init__(self) -> None:
        if not (self.id and self.reason.strip() and type(self.until) is date):
            raise SystemExit(f"audit.toml: {self.id or 'an entry'}: expected id, reason and until = YYYY-MM-DD")


def read_ignored(file: Path) -> list[Ignored]:
    """What the file says."""
    try:
        return [Ignored(**entry) for entry in tomllib.loads(file.read_text(encoding="utf-8")).get("ignored", [])]
    except TypeError:
        raise SystemExit(f"{file.name}: each [[ignored]] has id, reason and until, and nothing else") from None


def ask(project: Path, ignored: list[Ignored], service: str | None) -> "subprocess.CompletedProcess[str]":
    """What `uv audit` says of the project's lock file."""
    command = ["uv", "audit", "--frozen", "--output-format", "json", "--preview-features", "audit-command,json-output"]
    command += [word for entry in ignored for word in ("--ignore", entry.id)]
    command += ["--service-url", service] if service else []
    return subprocess.run(command, cwd=project, env={**os.environ, **ONCE}, capture_output=True, text=True, check=False)


def verdict(status: int, said: str, complained: str) -> tuple[int, list[str]]:
    """The exit status and the lines to say, from those of `uv audit`."""
    if status in {0, 1} and said.lstrip().startswith("{"):
        found = json.loads(said)
        lines = [_vulnerability(entry) for entry in found["vulnerabilities"]]
        lines += [f"note: {entry}" for entry in found.get("adverse_statuses", [])]
        packages = found["summary"]["audited_packages"]
        lines.append(f"{packages} packages audited, {len(found['vulnerabilities'])} known vulnerabilities.")
        return (1 if found["vulnerabilities"] else 0), lines
    if any(words in complained for words in UNREACHABLE):
        return 0, [
            "NOT AUDITED: the vulnerability database cannot be reached from here. Run `just audit` where it can."
        ]
    if NO_SUCH_COMMAND in complained:
        return 2, ["This uv has no `uv audit`; install a newer one: pip install --upgrade uv"]
    return 2, ["The dependencies could not be audited:", complained.strip()]


def _vulnerability(entry: dict[str, Any]) -> str:
    package, fixed = entry["dependency"], ", ".join(entry["fix_versions"]) or "no version yet"
    names = ", ".join([entry["id"], *entry["aliases"]])
    return f"{package['name']} {package['version']}: {names}: {entry['summary'] or 'no summary'} (fixed in {fixed})"


def main() -> int:
    """Audit the project above this folder, or the one that the options name."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--project", type=Path, default=HERE.parent)
    options.add_argument("--ignored", type=Path, default=HERE / "audit.toml")
    options.add_argument("--service", help="an OSV database; else the public one")
    options.add_argument("--today", type=date.fromisoformat, default=datetime.now(UTC).date())
    told = options.parse_args()
    every = read_ignored(told.ignored)
    counts = [entry for entry in every if told.today < entry.until]
    result = ask(told.project, counts, told.service)
    status, lines = verdict(result.returncode, result.stdout, result.stderr)
    ended = [f"{entry.id} is no longer ignored: that ended on {entry.until}" for entry in every if entry not in counts]
    ignoring = [f"ignored until {entry.until}: {entry.id}: {entry.reason}" for entry in counts]
    sys.stdout.write("\n".join([*ignoring, *ended, *lines]) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
