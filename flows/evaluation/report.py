"""The dossier of a candidate, composed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from flows.evaluation.candidate import Candidate
from flows.evaluation.exhibits import Exhibits
from flows.evaluation.learning import learnt_lines, leaving_lines, unlearnt_lines
from flows.evaluation.logged import Judged
from flows.workspace import read_json
from models.encoders.encoders import not_encoded
from posology.dossier import DataFacts, Dossier, PatientsRow, TherapyFacts, render
from posology.dossier.patients import patients_rows
from posology.guardrails import Finding, overall

LIBRARIES = ("catboost", "scikit-learn", "polars", "numpy", "great-expectations", "prefect", "mlflow", "dvc", "bentoml")


@dataclass(frozen=True)
class Origin:
    """Where a run comes from.

    Attributes:
        data_version: of the snapshot, by DVC.
        data: folder where the snapshot is kept.
        git_commit: of the code.
        author: who ran it.
        again: the command that gives the same release again.
    """

    data_version: str
    data: Path
    git_commit: str
    author: str
    again: str


def dossier_page(
    candidate: Candidate,
    exhibits: Exhibits,
    judged: Judged | None,
    findings: Sequence[Finding],
    origin: Origin,
    *,
    without: Sequence[str] = (),
) -> str:
    """The dossier as one HTML page; ``without`` says why effects of content are missing."""
    therapy, release = candidate.therapy, candidate.release
    return render(
        Dossier(
            title=therapy.title,
            therapy=TherapyFacts.of(therapy),
            release=release.name,
            digests={"release": release.digest, **release.digests},
            data_version=origin.data_version,
            as_of=candidate.tables.as_of,
            git_commit=origin.git_commit,
            author=origin.author,
            verdict=overall(findings),
            findings=findings,
            data=_data(candidate),
            split=_split(candidate),
            patients=_patients(candidate),
            skills=tuple(exhibits.skills.values()),
            groups=exhibits.groups,
            policies=exhibits.values,
            value_unit="mean F per session (0 to 1)",
            logged_value=float(judged.logged.reward.mean()) if judged else None,
            content_mix=exhibits.mix,
            effects=exhibits.effects,
            stand_in=exhibits.stand_in,
            explanations=exhibits.explanations,
            figures=tuple(chain.from_iterable(exhibits.figures.values())),
            learnt=(*learnt_lines(candidate), *leaving_lines(candidate)),
            limitations=tuple(_limitations(candidate, exhibits, judged, without)),
            software={name: version(name) for name in LIBRARIES},
            commands=(origin.again,),
        )
    )


def _data(candidate: Candidate) -> DataFacts:
    tables = candidate.tables
    report = read_json(candidate.workspace.validation / "validation.json")
    quarantined = {f"{item['code']} {item['table']}": item["rows"] for item in report["failed"]}
    return DataFacts(
        patients=tables.users.height,
        sessions=tables.sessions.height,
        measurements=tables.measurements.height,
        contents=tables.contents.height,
        quarantined=quarantined,
    )


def _patients(candidate: Candidate) -> tuple[PatientsRow, ...]:
    users = candidate.tables.users
    parts = pl.concat(candidate.feature_table(target).select("user_id", "part") for target in candidate.targets)
    judged = parts.filter(pl.col("part") == "judge")["user_id"].unique()
    learned = parts.filter(pl.col("part") != "judge")["user_id"].unique()
    of_part = (users.filter(pl.col("user_id").is_in(ids.implode())) for ids in (learned, judged))
    return patients_rows(candidate.therapy.user, *of_part)


def _split(candidate: Candidate) -> str:
    share = candidate.params.split.past_share
    amounts: Mapping[str, Any] = read_json(candidate.workspace.features / "amounts.json")
    parts = "; ".join(
        f"{target}: " + ", ".join(f"{part} {size['patients']}" for part, size in amount.items()) + " patients"
        for target, amount in amounts.items()
    )
    return (
        f"By patient (a digest of the id decides, for good) and forward in time: fitted and calibrated on outcomes "
        f"known in the first {share:.0%} of outcomes, judged on what became known later. {parts}."
    )


def _limitations(
    candidate: Candidate, exhibits: Exhibits, judged: Judged | None, without: Sequence[str]
) -> Iterator[str]:
    for target, name in (("feedback", "F"), ("status", "Mf")):
        if target not in candidate.targets:
            yield f"The therapy declares no {target}: there is no {name} predictor, and no guardrail about it applies."
        elif candidate.chosen[target] is None:
            yield f"No {name} predictor could be trained: {candidate.why_not(target)}."
    if judged is None:
        yield "The policy was not evaluated off-policy: there is no F, no policy, or no judged decision."
    elif not np.isfinite(judged.logged.propensity).all():
        yield "Some propensities were not logged."
    yield from unlearnt_lines(candidate)
    yield from candidate.learnt.encoders.in_words()
    if left := not_encoded(candidate.therapy):
        yield f"Not read by the predictors, as the therapy does not ask to encode them: {', '.join(left)}."
    yield (
        "The off-policy value is that of one decision under the candidate where the logged policy was followed "
        "before; what a choice does to later sessions is not in it."
    )
    for reason in without:
        yield f"Effects of content, or a part of them, are missing: {reason}."
    if not exhibits.stand_in:
        yield "Whether F stands in for recovery was not tested in this release."
