"""How the release was learnt, where more was done than fitting predictors, and what it goes without."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from flows.evaluation.candidate import Candidate
from flows.workspace import read_json
from models.policies import Dpo
from models.policies.leaving import Leaving
from models.targets import Target
from posology.dossier import Figure
from posology.dossier.figures import TrialPoint, tuning_plot
from posology.dossier.numbers import number


def learnt_lines(candidate: Candidate) -> Iterator[str]:
    """One sentence a kind and target; none where nothing was tuned or transferred."""
    for target in candidate.targets:
        decision = candidate.decision(target)
        if "tuning" in decision and not decision["tuning"]:
            yield f"Tuning {target}: nothing was searched: no range is declared, or fitting patients are too few."
        for kind, tuned in decision.get("tuning", {}).items():
            yield f"Tuning {target} ({kind}): {_tuned(tuned)}"
        if "transfer" in decision:
            yield from _transferred(target, decision["transfer"])


def leaving_lines(candidate: Candidate) -> Iterator[str]:
    """What the policy goes by where drop-out costs something."""
    if isinstance(candidate.policy, Dpo) and candidate.policy.leaving:
        yield _deterring(candidate.policy.leaving, candidate)


def unlearnt_lines(candidate: Candidate) -> Iterator[str]:
    """What the policy goes without, and why."""
    about = read_json(candidate.workspace.policy / "training.json")
    if about["reason"]:
        yield f"What contents do to Mf could not be learnt, so none is known to be inferior: {about['reason']}."
    leaving = about.get("leaving")
    if leaving and not leaving["learnt"]:
        yield f"Drop-out costs nothing, though the therapy puts a cost on it: {leaving['reason']}."


def _deterring(leaving: Leaving, candidate: Candidate) -> str:
    said = f"Drop-out costs {candidate.therapy.dropout:g} in F"
    ids, ratio = candidate.contents["content_id"], np.exp(leaving.content)
    if np.ptp(ratio) == 0:
        return f"{said}; contents differ in it by what is known of course and content alone."
    most, least = int(ratio.argmax()), int(ratio.argmin())
    return (
        f"{said}: after {ids[most]} {number(ratio[most])} times as many leave as is foretold of course and content, "
        f"after {ids[least]} {number(ratio[least])} times, the most and the least."
    )


def tuning_figures(candidate: Candidate, target: Target) -> Iterator[Figure]:
    """A kind's trials in their order."""
    file = candidate.workspace.training(target) / "trials.json"
    for kind, trials in read_json(file).items() if file.is_file() else ():
        points = [TrialPoint(one["number"], one["state"], one["loss"]) for one in trials]
        defaults = candidate.decision(target)["tuning"][kind]["defaults_loss"]
        yield tuning_plot(points, defaults=defaults, predicted=f"{target}, {kind}")


def _tuned(tuned: Mapping[str, Any]) -> str:
    counts = f"{tuned['trials']} trials ({tuned['pruned']} cut short by a bad beginning, {tuned['failed']} failed)"
    cut = "; the time ran out before all were made, so a run again may end otherwise" if tuned["was_cut"] else ""
    gain = tuned["gain"]
    if gain is None:
        return f"{counts}{cut}. No trial was completed; the defaults were kept."
    measured = (
        f"On {gain['patients']} fitting patients the search did not see, the best trial lowers the mean squared error "
        f"by {number(gain['mean'])} ({number(gain['low'])} to {number(gain['high'])})"
    )
    if tuned["taken"]:
        options = ", ".join(f"{name} {number(value)}" for name, value in sorted(tuned["taken"].items()))
        return f"{counts}{cut}. {measured}, more than one standard error: it was taken ({options})."
    return f"{counts}{cut}. {measured}, not more than one standard error: the defaults were kept."


def _transferred(target: Target, transfer: Mapping[str, Any]) -> Iterator[str]:
    source = transfer["source"]
    if source is None:
        yield f"Warm start of {target}: the release to begin with has no predictor of it; it began from scratch."
        return
    for kind, tested in transfer["kinds"].items():
        gain = tested["gain"]
        measured = (
            f"; on patients left out it lowers the mean squared error by {number(gain['mean'])} "
            f"({number(gain['low'])} to {number(gain['high'])}, {gain['patients']} patients)"
            if gain
            else ""
        )
        taken = "was taken" if tested["passed"] else "was refused and the kind began from scratch"
        yield (
            f"Warm start of {target} ({kind}) from release {source['release']}, digest {source['digest']}: "
            f"{tested['reason']}{measured}. It {taken}."
        )
