"""Guardrails: coded questions about a candidate release, each answered with a verdict, why, and figures."""

from posology.guardrails.chosen import GUARDRAILS, guardrails_from, judge
from posology.guardrails.evidence import (
    Amount,
    DataEvidence,
    Evidence,
    GoldenEvidence,
    PredictionEvidence,
    StressEvidence,
    TableRows,
)
from posology.guardrails.finding import Finding, Verdict, overall
from posology.guardrails.guardrail import Guardrail

__all__ = [
    "GUARDRAILS",
    "Amount",
    "DataEvidence",
    "Evidence",
    "Finding",
    "GoldenEvidence",
    "Guardrail",
    "PredictionEvidence",
    "StressEvidence",
    "TableRows",
    "Verdict",
    "guardrails_from",
    "judge",
    "overall",
]
