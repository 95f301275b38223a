"""Validate and featurize in a process of their own: ``python -m benchmarks.size_run WORKSPACE [HOME]``.

With a home, features only, by a Dask cluster through Prefect.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from flows.quiet import be_quiet


def main(root: Path, home: Path | None) -> None:
    """Run the stages and print their seconds and the digest of the features as JSON."""
    be_quiet()
    about = _here(root) if home is None else _on_dask(root, home)
    from flows.workspace import Workspace
    from posology.digests import digest_of_folder

    sys.stdout.write("\n" + json.dumps({**about, "digest": digest_of_folder(Workspace(root).features)}) + "\n")


def _here(root: Path) -> dict[str, float]:
    from flows.params import read_params
    from flows.stages.featurize import featurize
    from flows.stages.validate import validate
    from flows.workspace import Workspace

    workspace = Workspace(root)
    return {
        "validate": _seconds(lambda: validate(workspace)),
        "featurize": _seconds(lambda: featurize(workspace, read_params())),
    }


def _on_dask(root: Path, home: Path) -> dict[str, float]:
    from distributed import LocalCluster

    from flows.home import Home
    from flows.orchestration import orchestrated
    from flows.settings import Settings

    here = Home.open(home)
    with (
        orchestrated(here, Settings(home=home)),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
    ):
        from prefect import flow

        from flows.cluster import each_block
        from flows.params import read_params
        from flows.stages.featurize import featurize
        from flows.workspace import Workspace

        @flow
        def features(address: str) -> None:
            with each_block(address, root) as each:
                featurize(Workspace(root), read_params(), each)

        return {"featurize": _seconds(lambda: features(cluster.scheduler_address))}


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
