"""What was worked out already, so that hours of work go on where they were broken off."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from flows.versioning import git_commit


@dataclass(frozen=True)
class Progress:
    """Lines of JSON, one a key; of one commit, because other code has other numbers."""

    file: Path

    @classmethod
    def of_this_commit(cls) -> Self:
        """In the user's cache."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cls(cache / "posology" / f"true-values-{git_commit()[:12]}.jsonl")

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        """What is kept under the key, else what ``make`` gives, which is kept."""
        kept = dict(map(json.loads, self.file.read_text().splitlines())) if self.file.is_file() else {}
        if key not in kept:
            kept[key] = make()
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("a") as lines:
                lines.write(json.dumps([key, kept[key]]) + "\n")
        return kept[key]
