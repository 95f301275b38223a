"""Evaluate: guardrails over the candidate, and the dossier a reviewer reads."""

from pathlib import Path
from typing import Any

import polars as pl

from flows.evaluation.candidate import Candidate
from flows.evaluation.effects import effects_found
from flows.evaluation.exhibits import Exhibits
from flows.evaluation.logged import Judged, judged_decisions
from flows.evaluation.numbers import prediction_metrics
from flows.evaluation.predictions import prediction_evidence, prediction_table
from flows.evaluation.report import Origin, dossier_page
from flows.evaluation.stress import golden_answers, golden_evidence, stress_evidence, stress_set
from flows.params import Params
from flows.workspace import Workspace, read_json, write_json
from models.release import Release
from posology.files import whole_folder, write_whole
from posology.guardrails import (
    Amount,
    DataEvidence,
    Evidence,
    Finding,
    TableRows,
    guardrails_from,
    judge,
    overall,
)


def evaluate(workspace: Workspace, params: Params, origin: Origin, champion: Path | None = None) -> None:
    """Write findings, verdict, metrics, golden answers, what they rest on, plots and dossier of the candidate.

    Args:
        workspace: holds what the training stages left.
        params: thresholds and sizes.
        origin: what the dossier says of data, code and author.
        champion: release folder to be compared with, when there is one.
    """
    candidate = Candidate.of(workspace, params)
    golden: list[dict[str, Any]] = []
    stress = None
    if candidate.can_choose:
        stress = stress_set(candidate)
        golden = golden_answers(candidate, stress)
    judged = judged_decisions(candidate)
    effects = effects_found(candidate)
    released = Release.load(champion) if champion else None
    evidence = Evidence(
        declared=frozenset(candidate.targets),
        data=_data(workspace),
        feedback=prediction_evidence(candidate, "feedback", released) if "feedback" in candidate.targets else None,
        status=prediction_evidence(candidate, "status", released) if "status" in candidate.targets else None,
        stress=stress_evidence(candidate, stress) if stress else None,
        logged=judged.logged if judged else None,
        golden=golden_evidence(candidate, stress, golden) if stress else None,
        surrogate=effects.surrogate,
        no_surrogate="; ".join(effects.reasons),
        objective=candidate.therapy.objective,
        seed=params.evaluation.seed,
    )
    findings = judge(guardrails_from(params.guardrails), evidence)
    exhibits = Exhibits.of(candidate, evidence, judged, effects)
    with whole_folder(workspace.evaluation) as partial:
        write_json(partial / "guardrails.json", _verdict(candidate, findings))
        write_json(partial / "metrics.json", _metrics(evidence, judged, exhibits))
        write_json(partial / "golden.json", golden)
        for name, table in _tables(candidate, evidence, judged).items():
            table.write_parquet(partial / f"{name}.parquet")
        exhibits.write_figures(partial / "plots")
        page = dossier_page(candidate, exhibits, judged, findings, origin, without=effects.reasons)
        write_whole(partial / "dossier.html", page)


def _tables(candidate: Candidate, evidence: Evidence, judged: Judged | None) -> dict[str, pl.DataFrame]:
    """What the findings rest on, decision by decision; kept beside the release, never in it."""
    tables = {
        f"predictions-{target}": prediction_table(candidate, found)
        for target in candidate.targets
        if (found := evidence.prediction(target)) is not None
    }
    return {**tables, "judged": judged.table} if judged else tables


def _data(workspace: Workspace) -> DataEvidence:
    amounts = read_json(workspace.features / "amounts.json")
    report = read_json(workspace.validation / "validation.json")
    return DataEvidence(
        amounts={target: {part: Amount(**size) for part, size in parts.items()} for target, parts in amounts.items()},
        tables={
            table: TableRows(total=rows["in"], quarantined=rows["quarantined"])
            for table, rows in report["rows"].items()
        },
    )


def _verdict(candidate: Candidate, findings: tuple[Finding, ...]) -> dict[str, Any]:
    return {
        "release": candidate.release.name,
        "verdict": overall(findings).value,
        "guardrails": [finding.as_json() for finding in findings],
    }


def _metrics(evidence: Evidence, judged: Judged | None, exhibits: Exhibits) -> dict[str, Any]:
    metrics: dict[str, Any] = {
        target: dict(prediction_metrics(found))
        for target in evidence.declared
        if (found := evidence.prediction(target)) is not None
    }
    if judged:
        metrics["policy"] = {
            "logged": float(judged.logged.reward.mean()),
            **{row.estimator: row.estimate.mean for row in exhibits.values},
        }
    return metrics
