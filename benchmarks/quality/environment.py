"""The peers' environment, apart from ours, and the process that speaks for them there."""

import json
import os
import subprocess
import sys
import tempfile
import venv
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np

from posology.digests import digest_of_file

HERE = Path(__file__).resolve().parent
REQUIREMENTS, SERVER = HERE / "peers.txt", HERE / "server"


def interpreter() -> Path:
    """Python of an environment that has the peers; it is made where there is none, which takes minutes."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "posology" / f"peers-{digest_of_file(REQUIREMENTS)[:12]}"
    python, is_whole = folder / "bin" / "python", folder / "is-whole"
    if not is_whole.is_file():
        sys.stderr.write(f"Making the peers' environment in {folder}\n")
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", REQUIREMENTS], check=True)
        is_whole.touch()
    return python


class Server:
    """A process in the peers' environment: a line of JSON to it and one back, arrays in files beside.

    A context: the process ends with it.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="peers-")
        environment = {**os.environ, "PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [interpreter(), SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self._folder.name,
            env=environment,
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("expected pipes to and from the peers' process")
        self._asks, self._answers = self._process.stdin, self._process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(BrokenPipeError):
            self._asks.close()
        self._process.wait()
        self._folder.cleanup()

    def ask(self, call: str, arrays: dict[str, np.ndarray], **options: Any) -> tuple[Any, Path]:
        """What it answers, and the file it may have left.

        Args:
            call: ``tune``, ``fit`` or ``act``.
            arrays: written for it.
            options: plain values.

        Raises:
            RuntimeError: it failed; its own words are on standard error.
        """
        given, left = (Path(self._folder.name, name) for name in ("given.npz", "left.npy"))
        np.savez(given, **arrays)
        line = json.dumps({"call": call, "given": str(given), "left": str(left), **options})
        self._asks.write(line + "\n")
        self._asks.flush()
        answer = self._answers.readline()
        if not answer:
            raise RuntimeError(f"the peers' process ended in {call} {options}")
        return json.loads(answer), left
