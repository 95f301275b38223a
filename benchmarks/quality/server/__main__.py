"""Answers for the peers: reads a line of JSON, tunes, fits or acts, writes a line of JSON."""

import json
import os
import sys

import numpy as np
from cql import DiscreteCql
from linucb import LinUcb
from log import Log, greedy, snips
from vw import VowpalWabbit

PEERS = {"vowpal-wabbit": VowpalWabbit, "mabwiser-linucb": LinUcb, "d3rlpy-cql": DiscreteCql}


def main() -> None:
    """Until standard input ends; whatever a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    fitted = {}
    for line in sys.stdin:
        asked = json.loads(line)
        kind, arrays = PEERS[asked["peer"]], dict(np.load(asked["given"]))
        answer = None
        if asked["call"] == "act":
            scores = fitted[asked["peer"]].scores(arrays["shared"], arrays["own"], arrays["eligible"])
            np.save(asked["left"], greedy(scores, arrays["eligible"]))
        elif asked["call"] == "fit":
            fitted[asked["peer"]] = kind.fit(Log(**arrays), asked["options"])
        else:
            answer = tune(kind, Log(**arrays))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def tune(kind: type, log: Log) -> dict:
    """The peer's best options, by its own measure or by the value on the half of the patients it did not see."""
    if hasattr(kind, "tune"):
        return kind.tune(log)
    half = log.patient % 2 == 0
    learnt, judged = log.where(half), log.where(~half)

    def value(options: dict) -> float:
        scores = kind.fit(learnt, options).scores(judged.shared, judged.own, judged.eligible)
        found = snips(judged, greedy(scores, judged.eligible))
        sys.stderr.write(f"{kind.__name__} {options}: {found:.4f}\n")
        return found

    return max(kind.GRID, key=value)


if __name__ == "__main__":
    main()
