"""Where everything can be looked at."""

from flows.home import Home
from flows.servers import MLFLOW_PORT, PREFECT_PORT


def addresses(
    home: Home,
    *,
    mlflow: str = f"http://127.0.0.1:{MLFLOW_PORT}",
    prefect: str = f"http://127.0.0.1:{PREFECT_PORT}",
) -> dict[str, str]:
    """What → address; of the two servers the usual ones, unless those they run at are given."""
    docs = {f"Data Docs of {page.parent.name}": page.as_uri() for page in sorted(home.docs.glob("*/index.html"))}
    return {"MLflow (runs, registry, dossiers)": mlflow, "Prefect (flow runs)": prefect.removesuffix("/api"), **docs}
