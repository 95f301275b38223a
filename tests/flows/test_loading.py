"""What is loaded while the Prefect server starts, and what comes of it."""

import subprocess
import sys
import threading
import time

from flows.home import Home
from flows.registry import Registry
from flows.settings import Settings


def test_what_is_done_meanwhile_is_done_when_the_block_begins(prefect_api: str, prefect_home: Home) -> None:
    from flows.orchestration import orchestrated

    done: list[int] = []

    def meanwhile() -> None:
        time.sleep(0.3)
        done.append(threading.get_ident())

    with orchestrated(prefect_home, Settings(home=prefect_home.root), meanwhile=meanwhile) as address:
        assert address == prefect_api
        assert len(done) == 1
        assert done != [threading.get_ident()]


def test_what_goes_wrong_meanwhile_is_left_to_whoever_needs_it(prefect_api: str, prefect_home: Home) -> None:
    from flows.orchestration import orchestrated

    def meanwhile() -> None:
        raise OSError("no such database")

    with orchestrated(prefect_home, Settings(home=prefect_home.root), meanwhile=meanwhile) as address:
        assert address == prefect_api


def test_loading_leaves_prefect_alone(registry: Registry, home: Home) -> None:
    """Prefect reads its settings when it is imported, so nothing that is loaded before may import it."""
    code = """if True:
        import sys
        from pathlib import Path
        from flows.home import Home
        from flows.loading import load_stages
        from flows.quiet import be_quiet
        from flows.settings import Settings
        be_quiet()
        load_stages(Home.open(Path(sys.argv[1])), Settings(home=sys.argv[1]))
        print(*({"catboost", "sklearn", "great_expectations", "mlflow", "dvc", "prefect"} - set(sys.modules)))
    """
    ran = subprocess.run([sys.executable, "-c", code, str(home.root)], capture_output=True, text=True, check=True)
    assert ran.stdout == "prefect\n"  # the only one not loaded
