"""The benchmarks as a command."""

import sys
from collections.abc import Callable

from benchmarks import bootstrap, choice, coverage, features, ingest, killed, replayed, retrain, simulator, size
from benchmarks.machine import load, machine
from benchmarks.pages import keep, text_of
from benchmarks.result import Result
from benchmarks.serving import growth, soak
from benchmarks.serving import run as serving
from flows.cli.output import out, print_table
from flows.quiet import be_quiet

BENCHMARKS: dict[str, Callable[[], Result]] = {
    "retrain": retrain.run,
    "features": features.run,
    "choice": choice.run,
    "bootstrap": bootstrap.run,
    "coverage": coverage.run,
    "simulator": simulator.run,
    "size": size.run,
    "serving": serving.run,
    "growth": growth.run,
    "soak": soak.run,
    "ingest": ingest.run,
    "killed": killed.run,
    "replay": replayed.run,
}


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; the exit status."""
    if unknown := [name for name in names if name not in BENCHMARKS]:
        sys.stderr.write(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}\n")
        return 2
    be_quiet()
    for name in names or BENCHMARKS:
        before = load()
        result = BENCHMARKS[name]()
        keep(name, result, machine(), load_before=before)
        print_table(result.asks, result.columns, [[text_of(cell) for cell in row] for row in result.rows])
        for sentence in result.says:
            out.print(sentence)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
