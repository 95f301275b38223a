"""What ``posology serve`` says first: where it answers, and a call that works when it is pasted into a shell."""

import json
import shlex
from typing import TYPE_CHECKING

import httpx

from flows.cli.output import out, print_lines

if TYPE_CHECKING:
    from flows.champion import ServedChampion

BY_VARIABLE = "POSOLOGY_TOKEN"  # a token that is not in the home; whoever set it knows it
TRIED = "/v1/rank"  # needs no patient, and writes nothing
LEFT_OUT = ("sessions", "candidates")  # of its example, for a line that can be read


def show_welcome(served: "ServedChampion") -> None:
    """Say where the service answers and with which token, and how to try it."""
    is_the_homes = served.token_place != BY_VARIABLE
    print_lines(
        f"{served.release} is served",
        {
            "Address": f"{served.url} (the app's calls: POST {served.url}/v1/recommend …)",
            "Page": f"{served.url}/ (try a decision in the browser and see why)",
            "Metrics": f"{served.url}/metrics",
            "Token": f"{served.token} (from {served.token_place})" if is_the_homes else f"the one in {BY_VARIABLE}",
        },
    )
    out.print("Try it; nothing is written:")
    out.print(curl_line(served), markup=False, no_wrap=True, overflow="ignore", crop=False)


def curl_line(served: "ServedChampion") -> str:
    """One decision for a made-up patient, asked with curl; the token is read, so that no shell keeps it."""
    place = served.token_place
    token = f"${BY_VARIABLE}" if place == BY_VARIABLE else f"$(cat {shlex.quote(place)})"
    return (
        f'curl -sS {served.url}{TRIED} -H "Authorization: Bearer {token}" '
        f"-H 'Content-Type: application/json' -d {shlex.quote(json.dumps(_example(served)))}"
    )


def _example(served: "ServedChampion") -> object:
    """The body that the service's own description has for the call."""
    asked = {"Authorization": f"Bearer {served.token}"}
    document = httpx.get(f"{served.url}/openapi.json", headers=asked, trust_env=False, timeout=30).raise_for_status()
    of_call = document.json()["paths"][TRIED]["post"]
    body = of_call["requestBody"]["content"]["application/json"]["example"]
    return {name: value for name, value in body.items() if name not in LEFT_OUT}
