"""The peers' benchmark as a command: sizes can be chosen, and it goes on where it was broken off."""

import argparse

from benchmarks.machine import load, machine
from benchmarks.pages import keep
from benchmarks.quality.against_peers import PATIENTS, SEEDS, THERAPIES, WORLD, run
from flows.cli.output import out, print_table
from flows.quiet import be_quiet


def main() -> None:
    """Run it, and keep the table with those of the other benchmarks."""
    asked = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    asked.add_argument("therapies", nargs="*", default=THERAPIES, metavar="THERAPY")
    asked.add_argument("--patients", type=int, default=PATIENTS, help="in each log")
    asked.add_argument("--world", type=int, default=WORLD, help="patients to be treated")
    asked.add_argument("--seeds", type=int, default=SEEDS)
    options = asked.parse_args()
    be_quiet()
    before = load()
    result = run(options.therapies, patients=options.patients, world=options.world, seeds=options.seeds)
    keep("peers", result, machine(), load_before=before)
    print_table(result.asks, result.columns, [[str(cell) for cell in row] for row in result.rows])
    for sentence in result.says:
        out.print(sentence)


if __name__ == "__main__":
    main()
