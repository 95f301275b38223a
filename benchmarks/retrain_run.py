"""One retraining with a ledger of its time, in a process of its own: ``python -m benchmarks.retrain_run HOME DATA``."""

import json
import resource
import sys
import time
from pathlib import Path

from benchmarks.ledger import Ledger
from benchmarks.owners import owner_of


def main(home: Path, data: Path) -> None:
    """Run the flow as ``posology retrain`` does and print the ledger as JSON."""
    ledger = Ledger(owner_of, "Read settings")
    with ledger.recording():
        from flows.quiet import be_quiet

        be_quiet()
        from flows.cli.here import here
        from flows.cli.learn import run_retrain

        retrained = run_retrain(here(home), "mci", data, ledger.begin)
    about = {
        "seconds": [[step, owner, seconds] for (step, owner), seconds in ledger.seconds.items()],
        "verdict": retrained["verdict"],
        "cpu_seconds": time.process_time(),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }
    sys.stdout.write("\n" + json.dumps(about))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
