"""``demo``, ``serve`` and ``ui``."""

import contextlib
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.here import HomeOption, JsonOption, TherapyArgument, here
from flows.cli.learn import show_retrained
from flows.cli.output import out, print_json, print_lines, print_table, progress
from posology.errors import CannotDo


def serve(
    therapy: TherapyArgument,
    port: Annotated[int, typer.Option(help="A free one of that address.")] = 3000,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="IPv4 address to listen on. The default can be reached from this machine alone. Any other, such as "
            "0.0.0.0 for all of the machine's, opens every call to that network, tokens and patients' data "
            "unencrypted: put a reverse proxy that ends TLS before it (docs/security.md).",
        ),
    ] = "127.0.0.1",
    home: HomeOption = None,
) -> None:
    """Serve the champion's bundle until stopped (Ctrl-C)."""
    from flows.champion import champion_served
    from flows.cli.welcome import show_welcome
    from posology.therapy_file import load_therapy

    known, is_open = here(home), not _is_loopback(host)
    name = load_therapy(therapy).name
    with contextlib.ExitStack() as stack:
        with progress("Starting") as step:
            step("Start the service")
            served = stack.enter_context(champion_served(known.home, known.settings, name, host=host, port=port))
        show_welcome(served)
        if is_open:
            out.print(f"Other machines reach it at {host} without TLS: let a reverse proxy end it (docs/security.md).")
        out.print("What is promoted meanwhile takes over by itself. Stop with Ctrl-C.")
        served.tell = out.print
        served.wait()


def _is_loopback(host: str) -> bool:
    try:
        return IPv4Address(host).is_loopback
    except ValueError:
        raise CannotDo(f"--host {host}: expected an IPv4 address of this machine, such as 127.0.0.1") from None


def ui(home: HomeOption = None) -> None:
    """What runs where: starts MLflow's and Prefect's pages and shows every address, until stopped (Ctrl-C)."""
    import signal

    from flows.pages import addresses
    from flows.servers import mlflow_server, prefect_server

    known = here(home)
    with contextlib.ExitStack() as stack:
        with progress("Starting") as step:
            step("Start MLflow's pages")
            mlflow = stack.enter_context(mlflow_server(known.home, known.settings))
            step("Start Prefect's pages")
            prefect = stack.enter_context(prefect_server(known.home, known.settings))
        print_lines("What runs where", addresses(known.home, mlflow=mlflow, prefect=prefect))
        out.print("Stop with Ctrl-C.")
        signal.pause()


def demo(
    home: Annotated[Path | None, typer.Option("--home", help="A new folder; else a temporary one.")] = None,
    patients: Annotated[int, typer.Option(min=300, help="Patients in the historical cohort.")] = 1000,
    weeks: Annotated[int, typer.Option(min=1, help="Weeks that new patients live through the HTTP API.")] = 3,
    seed: Annotated[int, typer.Option(help="The same seed simulates the same patients.")] = 7,
    as_json: JsonOption = False,
) -> None:
    """The whole loop on simulated patients in a home of its own, in some three minutes.

    Simulate, retrain, sign, promote, serve, let patients live through the
    API, retrain on what they left, compare, and say where to look.
    """
    from flows.demo import THERAPY, Demo, demo_home

    with progress("Starting") as step:
        result = Demo(demo_home(home), patients=patients, weeks=weeks, seed=seed, step=step, detail=step.detail).run()
    if as_json:
        print_json(result.as_json())
        return
    for run in result.runs:
        show_retrained(run)
    print_table("The second candidate against the first", ["", "first", "second"], result.rows())
    lived = result.lived
    out.print(
        f"{lived.truth.height:,} decisions were served over HTTP, {lived.by_model:,} of them by the model; "
        f"true mean F of what was given: {lived.true_value:.3f}"
    )
    print_lines("Where to look", result.addresses)
    out.print(f"Open MLflow's and Prefect's pages with: posology ui --home {result.home.root}")
    out.print(f"Serve the champion again with: posology serve {THERAPY} --home {result.home.root}")
    out.print(f"All of it is in {result.home.root}; remove that folder and it is gone.")
